// The protocol between tsrun and the agent, in whole:
//
// tsrun holds one end of a SOCK_SEQPACKET socket pair, the agent the other. tsrun sends one message, a vector of system
// calls ("frames") and the data that they point to; the agent reads it to a fixed address, runs the frames in order,
// and writes the first `replyLength` bytes of the message back, now holding the results. tsrun blocks on that reply, the
// agent blocks on the next message. End of file, or any failure to read or write, ends the agent with status 1: when
// tsrun dies, so does every agent of its own.
//
// Addresses in a message are addresses in the agent: it is linked to a fixed place, and its arena, a zero-filled
// segment of the ELF, starts at ARENA. Only pages that a message touched are resident.
//
//    ARENA          +0   u64  socket: the descriptor that messages are read from and replies are written to
//    MESSAGE        +0   u64  end: address one past the last frame
//                   +8   u64  replyLength: how many bytes of the message, from its start, are written back
//                   +16  u64  failed: address of the frame that stopped the vector, 0 when all ran   (agent writes)
//                   +24  u64  unused
//    FRAMES         +0   frames of 64 bytes, then data
//
//    frame          +0   u16  nr: system call number, or ADOPT          \
//                   +2   u16  tolerated: one errno, ANY_ERRNO, 0: none   | the agent overwrites these 8 bytes
//                   +4   u8   skip: frames to skip, see SKIP_ON_SUCCESS  | with the result, an s64
//                   +5   u8   flags: INDIRECT bits 0-5, SKIP_ON_SUCCESS  |
//                   +6   u16  unused                                    /
//                   +8   u64  six arguments; argument i is the address of the u64 to use when bit i of flags is set
//                   +56  u64  store: address that a successful result is also written to, 0: none
//
// A result in -4095..-1 is a failure. A tolerated failure goes on after skipping `skip` frames; any other stops the vector,
// sets `failed` and replies. A success goes on with the next frame; when SKIP_ON_SUCCESS is set it is the success that
// skips, and the tolerated failure goes on with the next frame ("try this, else that").
//
// ADOPT(socket, pid) follows a clone: where pid (the clone's result) is 0, this is the child, which takes `socket` as its
// own and replies at once: the rest of the vector is the parent's. Elsewhere it is a call whose result is pid. So the vector that clones
// gets two replies, one on each socket, in either order. The child closes its copy of the parent's socket first: whoever waits
// for the parent's reply must hear of the parent's end, should it be killed.

/** Bytes of a frame. */
export const FRAME_SIZE = 64;
/** Bytes before the first frame of a message. */
export const HEADER_SIZE = 64;
/** Address that the agent's ELF file is mapped to: one page of headers and text. */
export const TEXT = 0x1000_0000;
/**
 * Address of the arena in the agent: the socket word, then MESSAGE. In the same 2 MiB as the text, for two reasons: both
 * use one page table page, and the kernel cannot back the arena's first touch by a 2 MiB huge page (where transparent
 * huge pages are set to "always" that would be 2 MiB resident). 64 KiB on, so that it is a page of its own on any arm64.
 */
export const ARENA = TEXT + 0x1_0000;
/** Bytes of address space of the arena: room for argv and environment up to the kernel's own limit (6 MiB). */
export const ARENA_SIZE = 0x0100_0000;
/** Address that a message is read to. */
export const MESSAGE = ARENA + 64;
/** Bytes that the agent reads a message with at most: the arena but for its last 64 KiB. */
export const MESSAGE_ROOM = ARENA_SIZE - 0x1_0000;
/** Address of the first frame. */
export const FRAMES = MESSAGE + HEADER_SIZE;
/** Most bytes that one message may have: what fits a socket buffer of the default size (net.core.wmem_default). */
export const MESSAGE_MAX = 128 * 1024;
/** The descriptor that the agent finds its socket on, unless it is told another. */
export const AGENT_SOCKET = 60;

/** Offsets in the header. */
export const HEADER = { end: 0, replyLength: 8, failed: 16 } as const;
/** Offsets in a frame; `result` lies over the first four. */
export const FRAME = { nr: 0, tolerated: 2, skip: 4, flags: 5, args: 8, store: 56, result: 0 } as const;

/** In `tolerated`: go on whatever the errno is. Only for calls that probe and change nothing. */
export const ANY_ERRNO = 0xffff;
/** In `flags`: a success skips `skip` frames, a tolerated failure skips none. */
export const SKIP_ON_SUCCESS = 0x40;
/** In `nr`: the pseudo-call that makes the child of a clone listen on a socket of its own. */
export const ADOPT = 0xffff;
