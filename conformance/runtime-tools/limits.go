// Package limits tells the limits of resources that this process was started with.
package limits

import (
	"fmt"
	"os/exec"
	"syscall"
)

// Getrlimit is as syscall's, but for descriptors: a current Go raises their soft limit before anything of ours begins, and
// takes that back for what it executes. So a child is asked.
func Getrlimit(resource int, limit *syscall.Rlimit) error {
	if resource != syscall.RLIMIT_NOFILE {
		return syscall.Getrlimit(resource, limit)
	}
	text, err := exec.Command("/bin/sh", "-c", "ulimit -Sn; ulimit -Hn").Output()
	if err != nil {
		return err
	}
	_, err = fmt.Sscan(string(text), &limit.Cur, &limit.Max)
	return err
}
