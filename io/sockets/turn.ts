// hot: opened and closed around every read
/**
 * What was written during one event goes out at its end, in as few writes as possible: a write costs the same whatever
 * its size. `enter` and `leave` bracket the event; what is scheduled outside of one goes out with the loop's turn.
 */

/** Something that gathers output. */
export interface Flushable {
  /** Already in a list. */
  scheduled: boolean;
  /** True when it would rather wait for the end of the loop's turn, to go out together with what others add. */
  wantsTurn(): boolean;
  flush(): void;
}

let depth = 0;
let event: Flushable[] = [];
let spare: Flushable[] = [];
let turn: Flushable[] = [];
let immediate = false;

export function enter(): void {
  depth++;
}

export function leave(): void {
  if (--depth > 0) return;
  while (event.length > 0) {
    const list = event;
    event = spare;
    spare = list;
    for (let i = 0; i < list.length; i++) {
      const one = list[i]!;
      if (one.wantsTurn()) {
        turn.push(one);
        arm();
      } else {
        one.scheduled = false;
        one.flush();
      }
    }
    list.length = 0;
  }
}

export function schedule(one: Flushable): void {
  if (one.scheduled) return;
  one.scheduled = true;
  if (depth > 0) event.push(one);
  else {
    turn.push(one);
    arm();
  }
}

function arm(): void {
  if (immediate) return;
  immediate = true;
  setImmediate(endTurn);
}

function endTurn(): void {
  immediate = false;
  const list = turn;
  turn = [];
  enter();
  for (let i = 0; i < list.length; i++) {
    list[i]!.scheduled = false;
    list[i]!.flush();
  }
  leave();
}
