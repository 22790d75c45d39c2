// Made by `npm run generate` from schemas/state.schema.json. Do not edit.
/**
 * The state of a container (runtime.md, State): what the state command prints and hooks read.
 */
export interface State {
  ociVersion: string;
  id: string;
  /**
   * paused is ours and runc's, beyond the four that the specification names.
   */
  status: "creating" | "created" | "running" | "stopped" | "paused";
  /**
   * As the runtime's pid namespace has it.
   */
  pid?: number;
  /**
   * Absolute.
   */
  bundle: string;
  annotations?: {
    [k: string]: string;
  };
}
