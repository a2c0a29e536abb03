import { assert } from "../../core/base/assert.ts";
import { seededRandom, type Random } from "../../core/base/random.ts";
import { raftConfig, type RaftConfig } from "../../core/raft/config.ts";
import type { Message, SnapshotMeta } from "../../core/raft/messages.ts";
import { Raft } from "../../core/raft/raft.ts";
import type { Ready } from "../../core/raft/ready.ts";
import { RaftOracle } from "./raft-oracle.ts";

/**
 * Several Raft nodes, their disks and the network between them, all from one seed. A disk write takes time and a
 * crash in between loses it; a message may be lost, repeated, held back or overtaken; clocks run unevenly. After
 * every step the oracle compares what the nodes did with Raft's safety properties (Raft thesis, figure 3.2).
 */

interface Disk {
  restored: ConstructorParameters<typeof Raft>[1];
  readonly snapshots: Map<number, { readonly meta: SnapshotMeta; readonly state: MachineState }>;
}

/** A state machine: how many commands, and a hash over them in order. */
interface MachineState {
  readonly index: number;
  readonly hash: number;
}

export interface SimNode {
  readonly id: string;
  readonly disk: Disk;
  /** Undefined while it is down. */
  raft: Raft | undefined;
  machine: MachineState;
  /** Handed out and not on disk yet. */
  writing: Ready | undefined;
}

interface Flight {
  readonly message: Message;
  /** Bytes that travel with a snapshot. */
  readonly state: MachineState | undefined;
}

export interface SimOptions {
  readonly seed: number;
  readonly size: number;
  readonly config?: Partial<RaftConfig>;
}

const FLIGHTS_MAX = 400;

export class SimCluster {
  readonly random: Random;
  readonly nodes: SimNode[];
  readonly oracle = new RaftOracle();
  flights: Flight[] = [];
  /** Pairs "a>b" that no message passes. */
  readonly cut = new Set<string>();
  readonly #config: Partial<RaftConfig>;
  #nextCommand = 1;
  #nextRead = 1;

  constructor(options: SimOptions) {
    this.random = seededRandom(options.seed);
    this.#config = options.config ?? {};
    const voters = Array.from({ length: options.size }, (_, i) => `n${i + 1}`);
    this.nodes = voters.map((id) => ({
      id,
      disk: {
        restored: {
          hardState: { term: 0, vote: "", commit: 0 },
          base: { index: 0, term: 0 },
          entries: [],
          snapshot: undefined,
          membership: { voters },
        },
        snapshots: new Map(),
      },
      raft: undefined,
      machine: { index: 0, hash: 0 },
      writing: undefined,
    }));
    for (const node of this.nodes) this.start(node);
  }

  node(id: string): SimNode {
    const node = this.nodes.find((n) => n.id === id);
    assert(node !== undefined, `no node ${id}`);
    return node;
  }

  start(node: SimNode): void {
    if (node.raft !== undefined) return;
    const { disk } = node;
    const snapshot = disk.restored.snapshot;
    const kept = snapshot === undefined ? undefined : disk.snapshots.get(snapshot.index);
    assert(snapshot === undefined || kept !== undefined, "a disk keeps its snapshot");
    node.machine = kept?.state ?? { index: 0, hash: 0 };
    node.writing = undefined;
    node.raft = new Raft(raftConfig({ ...this.#config, id: node.id }), disk.restored, this.random);
  }

  /** Power off: what was not on disk is gone. */
  crash(node: SimNode): void {
    node.raft = undefined;
    node.writing = undefined;
  }

  leaders(): SimNode[] {
    return this.nodes.filter((node) => node.raft?.status().role === "leader");
  }

  propose(node: SimNode): void {
    if (node.raft === undefined) return;
    const id = this.#nextCommand++;
    node.raft.propose(Uint8Array.of(id >>> 24, id >>> 16, id >>> 8, id));
  }

  read(node: SimNode): void {
    const context = this.#nextRead++;
    if (node.raft?.readIndex(context) === true) this.oracle.readStarted(context);
  }

  /** One half of the work on a Ready: take it, or finish its write. */
  work(node: SimNode): boolean {
    const { raft, writing } = node;
    if (raft === undefined) return false;
    if (writing !== undefined) {
      this.#finish(node, raft, writing);
      return true;
    }
    if (!raft.hasReady()) return false;
    const ready = raft.ready();
    node.writing = ready;
    this.#send(node, ready.messages);
    if (ready.snapshot === undefined) this.#apply(node, ready);
    this.#observe(node);
    return true;
  }

  #finish(node: SimNode, raft: Raft, ready: Ready): void {
    if (ready.mustSync) persist(node.disk, ready);
    this.oracle.persisted(node.disk.restored);
    this.#send(node, ready.messagesAfterSync);
    if (ready.snapshot !== undefined) {
      const kept = node.disk.snapshots.get(ready.snapshot.index);
      assert(kept !== undefined, "a snapshot is stored before it is stepped");
      node.machine = kept.state;
    }
    for (const read of ready.readStates) this.oracle.readAnswered(read.context, read.index);
    node.writing = undefined;
    raft.advance();
    this.#observe(node);
  }

  #apply(node: SimNode, ready: Ready): void {
    for (const entry of ready.committed) {
      assert(entry.index === node.machine.index + 1, `${node.id} skipped to ${entry.index}`);
      let { hash } = node.machine;
      for (const byte of entry.data) hash = (Math.imul(hash, 31) + byte) | 0;
      node.machine = { index: entry.index, hash };
      this.oracle.applied(node.id, entry, hash);
    }
  }

  /** Takes a snapshot of what is applied and cuts the log, keeping `kept` entries. */
  snapshot(node: SimNode, kept: number): void {
    const { raft, disk, machine } = node;
    if (raft === undefined || node.writing !== undefined || machine.index === 0) return;
    const status = raft.status();
    if (machine.index !== status.appliedIndex || machine.index <= status.snapshotIndex) return;
    const meta = { index: machine.index, term: raft.termAt(machine.index)!, membership: { voters: status.voters } };
    disk.snapshots.set(meta.index, { meta, state: machine });
    const { base, entries } = disk.restored;
    const compactTo = Math.max(base.index, meta.index - kept);
    const term = compactTo === base.index ? base.term : entries[compactTo - base.index - 1]!.term;
    disk.restored = {
      ...disk.restored,
      snapshot: meta,
      base: { index: compactTo, term },
      entries: entries.slice(compactTo - base.index),
    };
    for (const index of disk.snapshots.keys()) if (index < meta.index) disk.snapshots.delete(index);
    raft.compact(meta, compactTo);
  }

  #send(node: SimNode, messages: readonly Message[]): void {
    for (const message of messages) {
      const kept = message.type === "snapshot" ? node.disk.snapshots.get(message.snapshot.index) : undefined;
      if (message.type === "snapshot" && kept === undefined) node.raft?.reportSnapshot(message.to, false);
      else this.flights.push({ message, state: kept?.state });
    }
    // A network has no endless memory.
    while (this.flights.length > FLIGHTS_MAX) this.drop(0);
  }

  drop(at: number): void {
    const [flight] = this.flights.splice(at, 1);
    if (flight?.message.type !== "snapshot") return;
    this.node(flight.message.from).raft?.reportSnapshot(flight.message.to, false);
  }

  /** Delivers one message; `again` leaves a copy on its way. */
  deliver(at: number, again = false): void {
    const flight = this.flights[at];
    if (flight === undefined) return;
    const { message, state } = flight;
    const { raft, disk } = this.node(message.to);
    if (raft === undefined || this.cut.has(`${message.from}>${message.to}`)) {
      this.drop(at);
      return;
    }
    if (!again) this.flights.splice(at, 1);
    if (message.type === "snapshot" && state !== undefined) {
      disk.snapshots.set(message.snapshot.index, { meta: message.snapshot, state });
      this.node(message.from).raft?.reportSnapshot(message.to, true);
    }
    raft.step(message);
    this.#observe(this.node(message.to));
  }

  #observe(node: SimNode): void {
    if (node.raft !== undefined) this.oracle.observe(node.id, node.raft);
  }

  /** Works and delivers in order until nothing moves. */
  settle(): void {
    for (let i = 0; i < 10_000; i++) {
      let moved = false;
      for (const node of this.nodes) while (this.work(node)) moved = true;
      while (this.flights.length > 0) {
        this.deliver(0);
        moved = true;
      }
      if (!moved) return;
    }
    throw new Error("the cluster does not come to rest");
  }

  tickAll(times = 1): void {
    for (let i = 0; i < times; i++) {
      for (const node of this.nodes) node.raft?.tick();
      this.settle();
    }
  }
}

function persist(disk: Disk, ready: Ready): void {
  let { base, entries, snapshot, membership } = disk.restored;
  if (ready.snapshot !== undefined) {
    snapshot = ready.snapshot;
    base = { index: snapshot.index, term: snapshot.term };
    entries = [];
    membership = snapshot.membership;
  }
  const first = ready.entries[0]?.index;
  if (first !== undefined) entries = [...entries.slice(0, first - base.index - 1), ...ready.entries];
  disk.restored = { hardState: ready.hardState, base, entries, snapshot, membership };
}
