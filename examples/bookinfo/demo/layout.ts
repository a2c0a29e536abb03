/** What runs where: three hosts, seven applications, and who may call whom. */

export interface HostPlan {
  readonly node: string;
  readonly address: string;
  readonly services: readonly ServicePlan[];
}

export interface ServicePlan {
  /** Its definition is `services/<file>.json`. */
  readonly file: string;
  /** Which application of apps/main.ts serves it, with options of its own. */
  readonly application: string;
  readonly args: readonly string[];
}

export const HOSTS: readonly HostPlan[] = [
  {
    node: "host-1", address: "127.0.1.1",
    services: [
      { file: "productpage", application: "productpage", args: [] },
      { file: "details", application: "details", args: [] },
    ],
  },
  {
    node: "host-2", address: "127.0.1.2",
    services: [
      { file: "reviews-v1", application: "reviews", args: ["--version", "v1"] },
      { file: "reviews-v2", application: "reviews", args: ["--version", "v2"] },
    ],
  },
  {
    node: "host-3", address: "127.0.1.3",
    services: [
      { file: "reviews-v3", application: "reviews", args: ["--version", "v3"] },
      { file: "ratings", application: "ratings", args: [] },
      { file: "ledger", application: "ledger", args: [] },
    ],
  },
];

/** productpage has an upstream port to ratings and is not among them: that call is the denied one. */
export const INTENTIONS: readonly (readonly [source: string, destination: string])[] = [
  ["productpage", "details"],
  ["productpage", "reviews"],
  ["reviews", "ratings"],
  ["ratings", "ledger"],
];
