// The page: docs/article.md, from what the commands printed.

import type { Step } from "./step.ts";

/** What a command printed, by its line. */
export type Outputs = ReadonlyMap<string, string>;

const HEAD = `# How Docker isolates, command by command

With \`dockerd --add-runtime tsrun=/path/to/tsrun --default-runtime tsrun\`, each command below is run and its output checked by
\`npm test\`, in a guest with systemd, cgroup v2 and AppArmor. This page is what they printed, written by \`npm run article\`.
`;

/** The page in Markdown. */
export function pageOf(steps: readonly Step[], outputs: Outputs): string {
  const sections = steps.map(({ title, text, commands }) => {
    const lines = commands.map(({ line, status }) => {
      const ended = status === undefined ? "" : `$ echo $?\n${status}\n`;
      return `$ ${line}\n${outputs.get(line) ?? ""}${ended}`;
    });
    return `## ${title}\n\n${text}\n\n\`\`\`console\n${lines.join("").trimEnd()}\n\`\`\`\n`;
  });
  return [HEAD, ...sections].join("\n");
}
