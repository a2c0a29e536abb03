/**
 * What @peculiar/x509, an oracle of the certificate tests, expects of the `reflect-metadata` package: a place for what
 * its decorators note down. Must be imported before it.
 */
type Notes = Map<unknown, unknown>;

const notes = new WeakMap<object, Notes>();

function defineMetadata(key: unknown, value: unknown, target: object): void {
  const own = notes.get(target) ?? new Map<unknown, unknown>();
  notes.set(target, own.set(key, value));
}

const getOwnMetadata = (key: unknown, target: object): unknown => notes.get(target)?.get(key);

function getMetadata(key: unknown, target: object): unknown {
  for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    if (notes.get(at)?.has(key) === true) return getOwnMetadata(key, at);
  }
  return undefined;
}

const metadata = (key: unknown, value: unknown) => (target: object): void => defineMetadata(key, value, target);

Object.assign(Reflect, { defineMetadata, getMetadata, getOwnMetadata, metadata });
