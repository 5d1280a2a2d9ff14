package main

import (
	"net"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	caps "github.com/moby/buildkit/util/apicaps/pb"
)

var base = llb.Image("python:3.11-slim")

func run(opts ...llb.RunOption) llb.State {
	return base.Run(append([]llb.RunOption{llb.Args([]string{"true"})}, opts...)...).Root()
}

func execs() group {
	all := pb.Caps.CapSet(pb.Caps.All())
	old := []*caps.APICap{}
	for _, c := range pb.Caps.All() {
		if c.ID != string(pb.CapExecMetaSetsDefaultPath) {
			old = append(old, c)
		}
	}
	without := pb.Caps.CapSet(old)
	env := run(llb.AddEnv("PATH", "/bin"), llb.AddEnv("B", "1"), llb.AddEnv("A", "x=y"), llb.AddEnv("B", "2"), llb.AddEnv("E", ""))
	return group{
		"exec":           plain(run()),
		"exec-platform":  plain(base.Run(llb.Args([]string{"true"}), llb.Platform(arm64)).Root()),
		"exec-inherits":  plain(llb.Image("a", llb.Platform(arm64)).Run(llb.Args([]string{"x"})).Root().Run(llb.Args([]string{"y"})).Root()),
		"exec-env":       plain(env),
		"exec-path-caps": {state: run(), opts: []llb.ConstraintsOpt{llb.WithCaps(all)}},
		"exec-path-set":  {state: run(), opts: []llb.ConstraintsOpt{llb.WithCaps(without)}},
		"exec-path-kept": {state: env, opts: []llb.ConstraintsOpt{llb.WithCaps(without)}},
		"exec-process": plain(run(llb.Dir("/srv"), llb.User("app:app"), llb.Hostname("box"),
			llb.WithCgroupParent("parent"), llb.ValidExitCodes(0, 3, 200))),
		"exec-dir-relative": plain(run(llb.Dir("/srv"), llb.Dir("app/../x"))),
		"exec-network-host": plain(run(llb.Network(llb.NetModeHost))),
		"exec-network-none": plain(run(llb.Network(llb.NetModeNone))),
		"exec-insecure":     plain(run(llb.Security(llb.SecurityModeInsecure))),
		"exec-proxy": plain(run(llb.WithProxy(llb.ProxyEnv{
			HTTPProxy: "http://p:1", HTTPSProxy: "http://p:2", FTPProxy: "http://p:3", NoProxy: "localhost", AllProxy: "http://p:4"}))),
		"exec-hosts":  plain(run(llb.AddExtraHost("a.example", net.ParseIP("192.0.2.1")), llb.AddExtraHost("b.example", net.ParseIP("2001:db8::1")))),
		"exec-ulimit": plain(run(llb.AddUlimit(llb.UlimitNofile, 1024, 4096), llb.AddUlimit(llb.UlimitCore, 0, -1))),
		"exec-devices": plain(run(
			llb.AddCDIDevice(llb.CDIDeviceName("vendor.example/gpu=0")),
			llb.AddCDIDevice(llb.CDIDeviceName("vendor.example/gpu=1"), llb.CDIDeviceOptional))),
		"exec-resources": plain(run(llb.WithLinuxResources(llb.LinuxResources{
			Memory: 1 << 30, MemorySwap: 1 << 31, CPUShares: 2, CPUPeriod: 100000, CPUQuota: 50000, CpusetCpus: "0-1", CpusetMems: "0"}))),
		"exec-readonly-root":  plain(base.Run(llb.Args([]string{"true"}), llb.ReadonlyRootFS()).AddMount("/out", llb.Scratch())),
		"exec-readonly-mount": plain(run(llb.AddMount("/src", llb.Local("context"), llb.Readonly, llb.SourcePath("/sub")))),
		"exec-mounts":         plain(execMounts()),
		"exec-mount-output":   plain(execOutput("/out")),
		"exec-mount-output-2": plain(execOutput("/a")),
		"exec-scratch-root":   plain(llb.Scratch().Run(llb.Args([]string{"/t/tool", "x"}), llb.AddMount("/t", base, llb.Readonly)).Root()),
		"exec-same-input":     plain(run(llb.AddMount("/x", base, llb.Readonly), llb.AddMount("/y", base, llb.Readonly, llb.SourcePath("/etc")))),
		"exec-no-output":      plain(run(llb.AddMount("/x", base, llb.ForceNoOutput), llb.AddMount("/y", llb.Scratch()))),
		"exec-content-cache": plain(run(
			llb.AddMount("/x", base, llb.Readonly, llb.ContentCache(llb.MountContentCacheOn)),
			llb.AddMount("/y", base, llb.Readonly, llb.ContentCache(llb.MountContentCacheOff)))),
		"exec-cache": plain(run(
			llb.AddMount("/c/shared", llb.Scratch(), llb.AsPersistentCacheDir("shared", llb.CacheMountShared)),
			llb.AddMount("/c/private", llb.Scratch(), llb.AsPersistentCacheDir("private", llb.CacheMountPrivate)),
			llb.AddMount("/c/locked", llb.Scratch(), llb.AsPersistentCacheDir("locked", llb.CacheMountLocked)))),
		"exec-cache-from":     plain(run(llb.AddMount("/c", llb.Image("seed"), llb.AsPersistentCacheDir("id", llb.CacheMountLocked), llb.SourcePath("/cache")))),
		"exec-cache-readonly": plain(run(llb.AddMount("/c", llb.Scratch(), llb.AsPersistentCacheDir("id", llb.CacheMountShared), llb.Readonly))),
		"exec-tmpfs":          plain(run(llb.AddMount("/t", llb.Scratch(), llb.Tmpfs()), llb.AddMount("/u", llb.Scratch(), llb.Tmpfs(llb.TmpfsSize(1<<20))))),
		"exec-secrets": plain(run(
			llb.AddSecret("/run/secrets/a", llb.SecretID("a")),
			llb.AddSecret("/run/secrets/b", llb.SecretID("b"), llb.SecretOptional, llb.SecretFileOpt(1000, 1001, 0o440)))),
		"exec-secret-env": plain(run(
			llb.AddSecret("TOKEN", llb.SecretID("a"), llb.SecretAsEnv(true)),
			llb.AddSecret("USER_TOKEN", llb.SecretID("b"), llb.SecretAsEnv(true), llb.SecretOptional))),
		"exec-ssh": plain(run(
			llb.AddSSHSocket(llb.SSHID("default")),
			llb.AddSSHSocket(llb.SSHID("other"), llb.SSHOptional, llb.SSHSocketOpt("/agent", 1, 2, 0o660)),
			llb.AddSSHSocket(llb.SSHID("third")))),
		"exec-ssh-env":  plain(run(llb.AddSSHSocket(llb.SSHID("default")), llb.AddEnv("SSH_AUTH_SOCK", "/mine"))),
		"exec-metadata": plain(run(llb.WithCustomName("run tests"), llb.IgnoreCache, llb.WithoutExportCache(), llb.ProgressGroup("g", "tests", false))),
	}
}

func execMounts() llb.State {
	return run(
		llb.AddMount("/z", llb.Scratch()),
		llb.AddMount("/cache", llb.Scratch(), llb.AsPersistentCacheDir("uv", llb.CacheMountLocked)),
		llb.AddMount("/b", llb.Local("context", llb.SessionID("s")), llb.Readonly),
		llb.AddSecret("/run/secrets/index", llb.SecretID("index")),
		llb.AddSSHSocket(llb.SSHID("default")),
		llb.AddMount("/a", llb.Image("tool"), llb.SourcePath("/bin")),
		llb.AddMount("/tmp", llb.Scratch(), llb.Tmpfs()))
}

// The second output is an output of the same operation: only the closing entry differs.
func execOutput(dest string) llb.State {
	exec := base.Run(llb.Args([]string{"make"}))
	out := map[string]llb.State{}
	for _, target := range []string{"/out", "/ro", "/a"} {
		if target == "/ro" {
			exec.AddMount(target, base, llb.Readonly)
			continue
		}
		out[target] = exec.AddMount(target, llb.Scratch())
	}
	return out[dest]
}
