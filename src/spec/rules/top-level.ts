// config.md: Specification version, Root, Annotations.

import type { Config } from "../config.gen.ts";
import type { Report } from "../rules.ts";

/** semver.org, 2.0.0: MAJOR.MINOR.PATCH, none with a leading zero, then -pre.release and +build. */
const NUMBER = "(?:0|[1-9]\\d*)";
const PRE_RELEASE = `(?:${NUMBER}|\\d*[a-zA-Z-][0-9a-zA-Z-]*)`;
const BUILD = "[0-9a-zA-Z-]+";
const SEMVER = (): RegExp =>
  new RegExp(
    `^(${NUMBER})\\.${NUMBER}\\.${NUMBER}(?:-${PRE_RELEASE}(?:\\.${PRE_RELEASE})*)?(?:\\+${BUILD}(?:\\.${BUILD})*)?$`,
  );

/** The major version of a SemVer text; undefined for what is none. The plain form goes without the pattern, which is slow to make. */
function majorOf(version: string): string | undefined {
  const parts = version.split(".");
  const plain = parts.length === 3 && parts.every(isPlainNumber);
  return plain ? parts[0] : SEMVER().exec(version)?.[1];
}

/** Digits without a leading zero, up to 2^53. */
function isPlainNumber(text: string): boolean {
  const number = Number(text);
  return Number.isSafeInteger(number) && number >= 0 && String(number) === text;
}

/** Newest major version of the specification that we know. */
const MAJOR_MAX = 1;

export function topLevelRules(config: Config, report: Report): void {
  // MUST be SemVer; compatible within a major version, so a later minor one is not refused (unknown fields are ignored).
  const major = majorOf(config.ociVersion);
  if (major === undefined)
    report(["ociVersion"], `must be a SemVer 2.0.0 version, not ${JSON.stringify(config.ociVersion)}`);
  else if (Number(major) > MAJOR_MAX) report(["ociVersion"], `is of a major version later than ${MAJOR_MAX}`);
  if (config.root.path === "") report(["root", "path"], "must not be empty");
  // config.md, Annotations: keys MUST NOT be empty.
  if (Object.hasOwn(config.annotations ?? {}, "")) report(["annotations", ""], "must have a key that is not empty");
}
