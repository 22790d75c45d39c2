// `npm run article`: writes docs/article.md from what its commands print in the guest (conformance/article). Fails, and writes
// nothing, where one of them prints something else than it is to.

import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, installPackages, repository } from "./setup.mjs";
import { guestMissing, testInGuest } from "./vm.mjs";

installPackages();
build();
const missing = guestMissing();
if (missing !== undefined) throw new Error(`No guest: ${missing}`);
const scratch = mkdtempSync(join(tmpdir(), "tsrun-article-"));
const page = join(scratch, "article.md");
const summary = join(scratch, "summary.json");
process.exitCode = testInGuest({ project: "engines", words: ["conformance/article"], summary, page, seconds: 600 });
if (process.exitCode === 0 && existsSync(page)) copyFileSync(page, join(repository, "docs/article.md"));
rmSync(scratch, { recursive: true });
