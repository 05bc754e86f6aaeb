/** The handshake of one connection: options until the client wants to go on to requests. */
import type { Socket } from "node:net";
import {
  CLIENT_FLAGS_BYTES,
  exportInfos,
  exportNameAnswer,
  greeting,
  OPTION,
  OPTION_HEADER_BYTES,
  OPTION_REPLY,
  optionReply,
  parseOption,
  wantsNoZeroes,
} from "./protocol.ts";
import type { ByteReader } from "./reader.ts";

const MOST_OPTION_BYTES = 64 * 1024;

/** True: requests follow. False: the client has gone, or gives up. Throws on what is no NBD. The export's name does not matter. */
export async function negotiate(socket: Socket, reader: ByteReader, diskBytes: number): Promise<boolean> {
  socket.write(greeting());
  const flags = await reader.read(CLIENT_FLAGS_BYTES);
  if (flags === undefined) return false;
  for (;;) {
    const head = await reader.read(OPTION_HEADER_BYTES);
    if (head === undefined) return false;
    const { option, length } = parseOption(head);
    if (length > MOST_OPTION_BYTES) throw new Error(`an option of ${length} bytes`);
    if ((await reader.read(length)) === undefined) return false;
    switch (option) {
      case OPTION.exportName:
        socket.write(exportNameAnswer(diskBytes, wantsNoZeroes(flags)));
        return true;
      case OPTION.go:
      case OPTION.info:
        for (const info of exportInfos(diskBytes)) socket.write(optionReply(option, OPTION_REPLY.info, info));
        socket.write(optionReply(option, OPTION_REPLY.ack));
        if (option === OPTION.go) return true;
        break;
      case OPTION.list:
        socket.write(optionReply(option, OPTION_REPLY.server, Buffer.alloc(4)));
        socket.write(optionReply(option, OPTION_REPLY.ack));
        break;
      case OPTION.abort:
        socket.end(optionReply(option, OPTION_REPLY.ack));
        return false;
      default:
        // Structured replies, TLS, contexts: a client goes on without them.
        socket.write(optionReply(option, OPTION_REPLY.unsupported));
    }
  }
}
