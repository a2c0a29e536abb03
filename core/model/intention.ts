/** Who may call whom. `*` stands for any name or any namespace; precedence is Consul's. */
export interface Intention {
  readonly id: string;
  readonly source: { readonly namespace: string; readonly name: string };
  readonly destination: { readonly namespace: string; readonly name: string };
  readonly action: "allow" | "deny";
  readonly description: string;
  readonly meta: Readonly<Record<string, string>>;
  /** Consul's number, 1 (`*` to `*`) to 9 (both exact). */
  readonly precedence: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly modifyIndex?: number;
  readonly createIndex?: number;
}
