// What criu(8) could not do.

/** A request that it refused or did not live to answer. */
export class CriuError extends Error {
  override readonly name = "CriuError";
  /** What it says of it itself, which is the first errors of its log. */
  readonly said: string;

  constructor(message: string, said = "") {
    super(message);
    this.said = said;
  }
}
