/**
 * Compiles a snapshot whenever something that it is made of changed, and pushes it when it says something new. Changes
 * of one moment fall together. While a listener could not be bound (its port is taken) the snapshot goes out again from
 * time to time: the proxy tries anew.
 */
import { compileSnapshot, sameContent, type AgentView } from "../core/compile/snapshot.ts";
import type { ProxySnapshot } from "../core/model/snapshot.ts";
import type { ProxyControl } from "./control.ts";

const REBIND_MS = 3_000;

export class SnapshotPublisher {
  readonly #control: ProxyControl;
  readonly #view: () => Omit<AgentView, "version">;
  #current: ProxySnapshot | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #rebind: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(control: ProxyControl, view: () => Omit<AgentView, "version">) {
    this.#control = control;
    this.#view = view;
  }

  get version(): number {
    return this.#current?.version ?? 0;
  }

  /** Something changed: compile soon. */
  schedule(): void {
    if (!this.#closed) this.#immediate ??= setImmediate(() => this.publish());
  }

  /** Compiles now; gives the version that says what is true now. */
  publish(): number {
    clearImmediate(this.#immediate);
    this.#immediate = undefined;
    const next = compileSnapshot({ ...this.#view(), version: this.version + 1 });
    if (this.#current === undefined || !sameContent(this.#current, next)) this.#push(next);
    return this.version;
  }

  /** After an acknowledgement: whether all listeners are there. */
  onAck(): void {
    const failed = this.#control.status().listeners.some((listener) => listener.error !== "");
    if (!failed || this.#closed || this.#rebind !== undefined) return;
    this.#rebind = setTimeout(() => {
      this.#rebind = undefined;
      if (this.#current !== undefined) this.#push({ ...this.#current, version: this.version + 1 });
    }, REBIND_MS);
  }

  close(): void {
    this.#closed = true;
    clearImmediate(this.#immediate);
    clearTimeout(this.#rebind);
  }

  #push(snapshot: ProxySnapshot): void {
    this.#current = snapshot;
    this.#control.push(snapshot);
  }
}
