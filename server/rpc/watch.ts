import type { Catalog } from "../../core/catalog/catalog.ts";
import { DATACENTER } from "../../core/catalog/consul-shapes.ts";
import { parseTopic, TouchedSet } from "../../core/catalog/topics.ts";
import { MeshError } from "../../core/base/errors.ts";
import { allows } from "../../core/authz/allow.ts";
import type { Topic, WatchEvent, WatchRequest } from "../../io/gen/mesh/v1/mesh.ts";
import { toGrpcError } from "../../io/grpc/errors.ts";
import type { Caller, WatchStream } from "../../io/grpc/server.ts";
import type { Logger } from "../../io/logger.ts";

/*
 * The watch streams. A host names all topics that it wants and, for those that it holds already, the index it has seen;
 * it gets one event for each at once (a delta when the catalog still knows what changed since, else everything), then a
 * delta after each change.
 *
 * Nothing is queued per stream but the names of topics that changed: while a host does not read, further changes of a
 * topic fall together, and what is sent when it reads again is the difference to what it has. So a slow host costs
 * memory in proportion to its topics, never to the rate of change (pitfall 11).
 */

/** A host with 50 services and 50 upstreams each asks for some 5,000. */
const TOPICS_MAX = 20_000;
const STREAMS_MAX = 8;
const INTENTIONS = "intentions/";

export class WatchHub {
  readonly #catalog: Catalog;
  readonly #log: Logger;
  readonly #byTopic = new Map<string, Set<Watcher>>();
  readonly #watchers = new Set<Watcher>();
  readonly #woken = new Set<Watcher>();
  #flushing: NodeJS.Immediate | undefined;
  readonly #stop: () => void;

  constructor(catalog: Catalog, log: Logger) {
    this.#catalog = catalog;
    this.#log = log;
    this.#stop = catalog.onChange((_index, touched) => this.#onChange(touched));
  }

  /** Serves one stream until it ends. */
  serve(stream: WatchStream, caller: Caller): void {
    // One is what a host needs, another may be dying while it connects anew (pitfall 11).
    const held = [...this.#watchers].filter(({ node }) => node === caller.name).length;
    if (held >= STREAMS_MAX) throw new MeshError("LIMITED", `${caller.name} has ${held} watch streams already`);
    const watcher = new Watcher({ stream, node: caller.name, catalog: this.#catalog });
    this.#watchers.add(watcher);
    stream.on("data", (request: WatchRequest) => {
      try {
        this.#subscribe(watcher, request.topics);
      } catch (error) {
        stream.emit("error", toGrpcError(error));
      }
    });
    const end = (): void => this.#remove(watcher);
    stream.on("cancelled", end);
    stream.on("error", end);
    stream.on("end", () => {
      end();
      stream.end();
    });
    this.#log.debug({ node: caller.name }, "watch stream opened");
  }

  close(): void {
    this.#stop();
    clearImmediate(this.#flushing);
    for (const watcher of this.#watchers) watcher.end();
    this.#watchers.clear();
    this.#byTopic.clear();
  }

  #subscribe(watcher: Watcher, topics: readonly Topic[]): void {
    if (!this.#watchers.has(watcher)) return;
    if (topics.length > TOPICS_MAX) throw new MeshError("LIMITED", `a stream carries ${TOPICS_MAX} topics at most`);
    for (const { key, datacenter } of topics) {
      if (datacenter !== "" && datacenter !== DATACENTER) {
        throw new MeshError("NOT_FOUND", `topic "${key}": datacenter "${datacenter}" is not known here`, {
          fix: `leave the datacenter out, or use ${DATACENTER}`,
        });
      }
      const kind = parseTopic(key)?.kind;
      if (kind === undefined || kind === "health") throw new MeshError("INVALID", `"${key}" is not a topic`);
    }
    for (const gone of watcher.replaceTopics(topics)) this.#unlist(gone, watcher);
    for (const { key } of topics) {
      const watchers = this.#byTopic.get(key) ?? new Set();
      this.#byTopic.set(key, watchers.add(watcher));
    }
    watcher.flush();
  }

  #unlist(topic: string, watcher: Watcher): void {
    const watchers = this.#byTopic.get(topic);
    watchers?.delete(watcher);
    if (watchers?.size === 0) this.#byTopic.delete(topic);
  }

  #remove(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher)) return;
    for (const topic of watcher.replaceTopics([])) this.#unlist(topic, watcher);
  }

  #onChange(touched: ReadonlySet<string>): void {
    const everything = touched instanceof TouchedSet && touched.everything;
    const wake = (topic: string): void => {
      for (const watcher of this.#byTopic.get(topic) ?? []) {
        watcher.markDirty(topic);
        this.#woken.add(watcher);
      }
    };
    // What a host may be has changed, and with it whose intentions it may see, whether it watches its record or not.
    for (const watcher of touched.has("nodes") ? this.#watchers : []) {
      if (!touched.has(`node/${watcher.node}`)) continue;
      watcher.forgetIntentions();
      this.#woken.add(watcher);
    }
    const wildcards = [...touched].some((source) => source.startsWith(INTENTIONS) && source.endsWith("/*"));
    for (const topic of everything ? this.#byTopic.keys() : touched) wake(topic);
    // An intention for `*` concerns services that have no instance yet too, which the set does not list.
    if (wildcards && !everything) {
      for (const topic of this.#byTopic.keys()) if (topic.startsWith(INTENTIONS) && touched.has(topic)) wake(topic);
    }
    // After the commit, not in it; commits of one turn go out together.
    if (this.#woken.size > 0) this.#flushing ??= setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = undefined;
    const woken = [...this.#woken];
    this.#woken.clear();
    for (const watcher of woken) watcher.flush();
  }
}

interface WatcherOptions {
  readonly stream: WatchStream;
  readonly node: string;
  readonly catalog: Catalog;
}

class Watcher {
  readonly #stream: WatchStream;
  readonly node: string;
  readonly #catalog: Catalog;
  /** What the host holds of each topic; 0: nothing. */
  #seen = new Map<string, number>();
  readonly #dirty = new Set<string>();
  #blocked = false;

  constructor({ stream, node, catalog }: WatcherOptions) {
    this.#stream = stream;
    this.node = node;
    this.#catalog = catalog;
    stream.on("drain", () => {
      this.#blocked = false;
      this.flush();
    });
  }

  /** Takes the full set that is wanted from now on; gives the topics that are not any more. */
  replaceTopics(topics: readonly Topic[]): string[] {
    const before = this.#seen;
    this.#seen = new Map();
    for (const { key, index } of topics) {
      const held = before.get(key);
      // A topic that this stream serves already goes on from where it is.
      this.#seen.set(key, held ?? index);
      if (held === undefined) this.#dirty.add(key);
    }
    const gone = [...before.keys()].filter((key) => !this.#seen.has(key));
    for (const key of gone) this.#dirty.delete(key);
    return gone;
  }

  markDirty(topic: string): void {
    this.#dirty.add(topic);
  }

  /** Sends all intentions that it asked for again: another set of them is permitted now. */
  forgetIntentions(): void {
    for (const key of this.#seen.keys()) {
      if (!key.startsWith(INTENTIONS)) continue;
      this.#seen.set(key, 0);
      this.#dirty.add(key);
    }
  }

  /** Sends what is due, as long as the host reads. */
  flush(): void {
    for (const topic of this.#dirty) {
      if (this.#blocked || this.#stream.destroyed) return;
      this.#dirty.delete(topic);
      const event = this.#event(topic);
      if (!this.#stream.write(event)) this.#blocked = true;
    }
  }

  end(): void {
    this.#stream.end();
  }

  #event(topic: string): WatchEvent {
    const seen = this.#seen.get(topic) ?? 0;
    const index = Math.max(1, this.#catalog.indexOf(topic));
    this.#seen.set(topic, index);
    const event = { topic, index, datacenter: "" };
    if (!this.#permitted(topic)) return { ...event, reset: true, upserts: [], deletes: [] };
    const changes = this.#catalog.changesSince(topic, seen);
    const upserts = changes?.upserts ?? this.#catalog.topicItems(topic);
    const items = [...upserts].map(([key, value]) => ({ key, valueJson: Buffer.from(JSON.stringify(value)) }));
    return { ...event, reset: changes === undefined, upserts: items, deletes: changes?.deletes ?? [] };
  }

  /** A host sees the intentions of services that it may be, and its own record; the rest is for everybody. */
  #permitted(topic: string): boolean {
    const parsed = parseTopic(topic);
    if (parsed?.kind === "node") return parsed.name === this.node;
    if (parsed?.kind !== "intentions") return true;
    return allows(this.#catalog.node(this.node)?.allow ?? [], parsed);
  }
}
