import * as fc from "fast-check";
import { expect, test } from "vitest";
import { NO_STREAM_HANDLER, TunnelStream } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

test("does what a Map does, with ids that collide and shift", () => {
  const action = fc.record({ add: fc.boolean(), id: fc.integer({ min: 0, max: 300 }) });
  fc.assert(fc.property(fc.array(action, { maxLength: 400 }), (actions) => {
    const table = new StreamTable();
    const map = new Map<number, TunnelStream>();
    for (const { add, id } of actions) {
      if (add && !map.has(id)) {
        const stream = new TunnelStream(id, NO_STREAM_HANDLER);
        map.set(id, stream);
        table.add(stream);
      } else if (!add) {
        map.delete(id);
        table.delete(id);
      }
    }
    expect(table.size).toBe(map.size);
    for (let id = 0; id <= 300; id++) expect(table.get(id)).toBe(map.get(id));
    expect(new Set(table.values())).toEqual(new Set(map.values()));
  }));
});
