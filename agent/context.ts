import type { AgentAccess } from "./access.ts";
import type { CheckRunner } from "./check-runner.ts";
import type { ProxyControl } from "./control.ts";
import type { IdentityManager } from "./identities.ts";
import type { LocalState } from "./local-state.ts";
import type { NodeRenewal } from "./node-renewal.ts";
import type { AgentOptions } from "./options.ts";
import type { SnapshotPublisher } from "./publisher.ts";
import type { ServerLink } from "./server-link.ts";
import type { ProxySupervisor } from "./supervisor.ts";
import type { CatalogSync } from "./sync.ts";
import type { TelemetryTotals } from "./telemetry.ts";
import type { TopicStore } from "./topic-store.ts";

/** The agent's parts, for its API and its metrics. */
export interface AgentContext {
  readonly options: AgentOptions;
  readonly nodeId: string;
  readonly startedAtMs: number;
  readonly link: ServerLink;
  readonly access: AgentAccess;
  readonly state: LocalState;
  readonly store: TopicStore;
  readonly checks: CheckRunner;
  readonly sync: CatalogSync;
  readonly identities: IdentityManager;
  readonly nodeRenewal: NodeRenewal;
  readonly control: ProxyControl;
  readonly supervisor: ProxySupervisor;
  readonly publisher: SnapshotPublisher;
  readonly telemetry: TelemetryTotals;
  /** From service files, at the last load. */
  readonly warnings: () => readonly string[];
  /** Reads the services folder again; gives the ids that it holds. */
  readonly reload: () => readonly string[];
  /** After registrations changed: checks, topics, certificates, catalog and proxy follow. */
  readonly servicesChanged: () => void;
  /** Takes the proxy's counters now. */
  readonly collect: () => Promise<void>;
  readonly inboundPort: () => number;
  /** Resolves at the next change of anything that a waiting request may wait for. */
  readonly nextChange: (signal: AbortSignal) => Promise<void>;
}
