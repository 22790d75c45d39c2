// Lists of CPUs and of memory nodes, "0-3,7": cpuset(7), "List format". Spaces around an entry are let pass, as runc does.

const ENTRY = /^ *(\d{1,9})(?:-(\d{1,9}))? *$/;

/** Whether `list` is one or more numbers and ascending ranges. */
export function isCpuList(list: string): boolean {
  return list.split(",").every((entry) => {
    const [, first, last = first] = ENTRY.exec(entry) ?? [];
    return first !== undefined && Number(first) <= Number(last);
  });
}
