/**
 * The one stream down. It names every topic that the host needs, with the index that it holds of each, so that after a
 * disconnect only what changed meanwhile comes. While no server answers it tries again with growing, jittered pauses.
 */
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { backoffMs } from "../core/antientropy/schedule.ts";
import type { WatchEvent, WatchRequest } from "../io/gen/mesh/v1/mesh.ts";
import { fromGrpcError } from "../io/grpc/errors.ts";
import type { Logger } from "../io/logger.ts";
import { reasonOf } from "./reasons.ts";
import type { ServerLink } from "./server-link.ts";
import type { TopicStore } from "./topic-store.ts";

const RETRY = { firstMs: 100, maxMs: 2_000, random: Math.random };

export interface WatchClientOptions {
  readonly link: ServerLink;
  readonly store: TopicStore;
  readonly log: Logger;
  /** The stream is up again after it was not: a good moment for what waits for a server. */
  readonly onConnected: () => void;
}

export class WatchClient {
  readonly #options: WatchClientOptions;
  #topics: readonly string[] = [];
  #stream: ClientDuplexStream<WatchRequest, WatchEvent> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #failures = 0;
  #closed = false;

  constructor(options: WatchClientOptions) {
    this.#options = options;
    options.link.onReplaced(() => this.#restart());
  }

  /** The full set of topics from now on. */
  setTopics(topics: readonly string[]): void {
    const sorted = [...new Set(topics)].sort();
    if (sorted.join("\n") === this.#topics.join("\n") && this.#stream !== undefined) return;
    this.#topics = sorted;
    this.#options.store.keep(new Set(sorted));
    if (this.#stream === undefined) this.#open();
    else this.#stream.write(this.#request());
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#stream?.cancel();
  }

  #request(): WatchRequest {
    const { store } = this.#options;
    return { topics: this.#topics.map((key) => ({ key, index: store.get(key)?.index ?? 0, datacenter: "" })) };
  }

  #open(): void {
    if (this.#closed || this.#topics.length === 0) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const stream = this.#options.link.client.watch();
    this.#stream = stream;
    let connected = false;
    stream.on("data", (event: WatchEvent) => {
      if (stream !== this.#stream) return;
      if (!connected) {
        connected = true;
        this.#failures = 0;
        this.#options.link.setConnected(true);
        this.#options.onConnected();
      }
      this.#options.store.apply(event);
    });
    // An ended stream says so by `end`, a broken one by `error`: either way there is one follow-up.
    stream.on("error", (error) => this.#lost(stream, reasonOf(fromGrpcError(error))));
    stream.on("end", () => this.#lost(stream, "the server ended the stream"));
    stream.write(this.#request());
  }

  #lost(stream: ClientDuplexStream<WatchRequest, WatchEvent>, reason: string): void {
    if (stream !== this.#stream) return;
    this.#stream = undefined;
    if (this.#closed) return;
    const { link, log } = this.#options;
    if (link.status().connected || this.#failures === 0) log.warn({ reason }, "the servers are out of reach");
    link.setConnected(false, reason);
    this.#failures++;
    this.#retry = setTimeout(() => this.#open(), backoffMs(this.#failures, RETRY));
  }

  #restart(): void {
    const old = this.#stream;
    this.#stream = undefined;
    old?.cancel();
    this.#failures = 0;
    this.#open();
  }
}
