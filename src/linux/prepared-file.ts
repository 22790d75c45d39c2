// The layout of a container's `prepared` file, and of what its plans find when they run: see lifecycle/prepared.ts, which
// writes it, and scripts/entry/program.ts, whose machine code reads it.
//
// The file is slots of SLOT_SIZE bytes, one a command. A slot holds a message as the agent gets it (wire.ts), with VERSION in
// the header's last word; a slot that is empty, or of another version, is for tsrun itself.

import { HEADER } from "./agent/wire.ts";

/** The file's name in the container's directory. */
export const PREPARED = "prepared";

/** The commands that may be prepared, by their slots; the first slot is empty. */
export const SLOTS = { state: 1, start: 2, kill: 3, delete: 4, forceDelete: 5 } as const;
export type PreparedCommand = keyof typeof SLOTS;

/** log2 of a slot's bytes. */
export const SLOT_BITS = 14;
/** The message must fit in it, header and all. */
export const SLOT_SIZE = 2 ** SLOT_BITS;

/** Of the layout. It is raised when a plan of an earlier tsrun would do something else in a later one. */
export const VERSION = 0x5eed_0001;
/** Where in a message VERSION is. */
export const VERSION_OFFSET = HEADER.failed + 8;

/** Bytes of memory that a prepared plan has, from ARENA on: what is before the message, and a slot; whole pages on any machine. */
export const ROOM = 0x1_0000;

/** Offsets in the arena, before the message, of what is known when a plan runs: words that its calls refer to. */
export const GIVEN = { directory: 0, signal: 8 } as const;
