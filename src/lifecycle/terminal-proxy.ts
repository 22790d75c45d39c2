export class TerminalProxy implements Disposable {
  constructor(readonly_: number) {
    void readonly_;
  }
  [Symbol.dispose](): void {}
}
