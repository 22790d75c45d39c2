// A client of the Container Runtime Interface: gRPC over the engine's socket, messages as runtime.proto beside this file says.
// A request with a field that is not in that file is refused here, since nothing on the way would miss it.

import { readFileSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import type { Json } from "../../../test/root/harness/config.ts";
import { scaled } from "../patience.ts";

/** The most that one call may take, in milliseconds. */
const DEADLINE = scaled(40_000);

/** Lines of the engine's log in an error. */
const COMPLAINTS = 12;

const proto = fileURLToPath(new URL("runtime.proto", import.meta.url));
const root = new protobuf.Root().loadSync(proto, { keepCase: true });
const services = ["runtime.v1.RuntimeService", "runtime.v1.ImageService"].map((name) => root.lookupService(name));

/** What tests read of the answers; numbers of 64 bits are decimal strings. */
export interface Answers {
  Version: { runtime_name: string; runtime_version: string; runtime_api_version: string };
  Status: {
    status: { conditions: { type: string; status: boolean; message: string }[] };
    info: Record<string, string>;
    runtime_handlers: { name: string; features: null | Record<string, boolean> }[];
  };
  RunPodSandbox: { pod_sandbox_id: string };
  StopPodSandbox: object;
  RemovePodSandbox: object;
  PodSandboxStatus: {
    status: { state: string; runtime_handler: string; network: null | { ip: string } };
    info: Record<string, string>;
  };
  ListPodSandbox: { items: { id: string; state: string; runtime_handler: string }[] };
  PodSandboxStats: {
    stats: { linux: { cpu: Cpu; memory: Memory; process: { process_count: Value }; containers: Stats[] } };
  };
  CreateContainer: { container_id: string };
  StartContainer: object;
  StopContainer: object;
  RemoveContainer: object;
  ListContainers: { containers: { id: string; state: string }[] };
  ContainerStatus: { status: ContainerStatus; info: Record<string, string> };
  UpdateContainerResources: object;
  ContainerStats: { stats: Stats };
  ListContainerStats: { stats: Stats[] };
  ExecSync: { stdout: Buffer; stderr: Buffer; exit_code: number };
  Exec: { url: string };
  Attach: { url: string };
  ImageStatus: { image: null | { id: string; repo_tags: string[] } };
}

export interface ContainerStatus {
  state: string;
  exit_code: number;
  reason: string;
  message: string;
  started_at: string;
  finished_at: string;
}

interface Value {
  value: string;
}

interface Cpu {
  usage_core_nano_seconds: Value;
}

interface Memory {
  working_set_bytes: Value;
}

interface Stats {
  attributes: { id: string };
  cpu: Cpu;
  memory: Memory;
}

export class CriClient {
  readonly #client: Client;
  readonly #log: string;

  /** `log` is the file that the engine writes its log to. */
  constructor(socket: string, log: string) {
    this.#log = log;
    this.#client = new Client(`unix://${socket}`, credentials.createInsecure());
  }

  /** Makes a call; throws what the engine answers in place of a message, and what it complained of meanwhile. */
  call<Name extends keyof Answers>(name: Name, request: Json = {}): Promise<Answers[Name]> {
    const { path, requestType, responseType } = methodOf(name);
    const logged = statSync(this.#log).size;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest<Json, Answers[Name]>(
        path,
        (message) => Buffer.from(requestType.encode(checked(requestType, message)).finish()),
        (bytes) => plain(responseType, bytes) as unknown as Answers[Name],
        request,
        { deadline: Date.now() + DEADLINE },
        (error: ServiceError | null, answer) => {
          if (error === null && answer !== undefined) resolve(answer);
          else
            reject(new Error(`${name}: ${error?.details ?? "no answer"}${this.#complaints(logged)}`, { cause: error }));
        },
      );
    });
  }

  close(): void {
    this.#client.close();
  }

  /** The last lines of the log, from a byte on, that are no mere information: a shim's panic has no level. */
  #complaints(from: number): string {
    const lines = readFileSync(this.#log).subarray(from).toString("utf8").split("\n");
    const complaints = lines.filter((line) => line !== "" && !/level=(info|debug)/.test(line));
    return complaints
      .slice(-COMPLAINTS)
      .map((line) => `\n${line}`)
      .join("");
  }
}

function methodOf(name: string) {
  for (const service of services) {
    const method = service.methods[name];
    if (method === undefined) continue;
    return {
      path: `/${service.fullName.replace(/^\./, "")}/${name}`,
      requestType: service.lookupType(method.requestType),
      responseType: service.lookupType(method.responseType),
    };
  }
  throw new Error(`runtime.proto has no call ${name}`);
}

function checked(type: protobuf.Type, message: Json): protobuf.Message {
  const unknown = unknownFields(type, message);
  if (unknown.length > 0) throw new Error(`runtime.proto has no ${unknown.join(", ")}`);
  return type.fromObject(message);
}

function unknownFields(type: protobuf.Type, message: Json): string[] {
  return Object.entries(message).flatMap(([key, value]) => {
    const field = type.fields[key];
    if (field === undefined) return [`${type.name}.${key}`];
    const inner = field.resolve().resolvedType;
    if (field.map || !(inner instanceof protobuf.Type)) return [];
    return [value].flat().flatMap((each) => unknownFields(inner, each as Json));
  });
}

function plain(type: protobuf.Type, bytes: Uint8Array): Json {
  return type.toObject(type.decode(bytes), {
    ...{ longs: String, enums: String, bytes: Buffer },
    ...{ defaults: true, arrays: true, objects: true },
  });
}
