package main

import (
	"github.com/moby/buildkit/client/llb"
	digest "github.com/opencontainers/go-digest"
)

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

func sources() group {
	return group{
		"scratch":             plain(llb.Scratch()),
		"image":               plain(llb.Image("python:3.11-slim")),
		"image-latest":        plain(llb.Image("ghcr.io/example/tool")),
		"image-digest":        plain(llb.Image("python:3.11-slim@sha256:" + zeros)),
		"image-platform":      plain(llb.Image("python:3.11-slim", llb.Platform(arm64))),
		"image-variant":       plain(llb.Image("python:3.11-slim", llb.Platform(armv7))),
		"image-pull":          plain(llb.Image("python", llb.ResolveModeForcePull)),
		"image-local":         plain(llb.Image("python", llb.ResolveModePreferLocal)),
		"image-default":       plain(llb.Image("python", llb.ResolveModeDefault)),
		"image-internal":      plain(llb.Image("python", llb.MarkImageInternal)),
		"image-layers":        plain(llb.Image("python", llb.WithLayerLimit(2))),
		"image-checksum":      plain(llb.Image("python", llb.WithImageChecksum(digest.Digest("sha256:"+zeros)))),
		"local":               plain(llb.Local("context")),
		"local-session":       plain(llb.Local("context", llb.SessionID("s1"))),
		"local-patterns":      plain(localPatterns()),
		"local-escapes":       plain(llb.Local("c", llb.IncludePatterns([]string{"a<b>&c", "\"q\"\\", "\u2028\u2029ü\x01\t\b"}))),
		"local-empty":         plain(llb.Local("c", llb.IncludePatterns(nil), llb.SharedKeyHint(""))),
		"local-differ-none":   plain(llb.Local("c", llb.Differ(llb.DiffNone, false))),
		"local-metadata-only": plain(llb.Local("c", llb.MetadataOnlyTransfer([]string{"a"}))),
		"local-differ-metadata": plain(
			llb.Local("c", llb.Differ(llb.DiffMetadata, false), llb.SessionID("s1"), llb.SharedKeyHint("h"))),
		"http":     plain(llb.HTTP("https://files.example/a.whl")),
		"http-all": plain(httpAll()),
		"http-headers": plain(llb.HTTP("https://files.example/a.whl",
			llb.Header(llb.HTTPHeader{Accept: "text/html", UserAgent: "tool/1"}))),
		"git":        plain(llb.Git("https://git.example/org/repo.git", "v1.0")),
		"git-plain":  plain(llb.Git("git.example/org/repo.git", "")),
		"git-http":   plain(llb.Git("http://user@git.example:8080/org//repo.git/", "main")),
		"git-scp":    plain(llb.Git("git@git.example:org/repo.git", "main", llb.KnownSSHHosts("git.example ssh-ed25519 AAAA"))),
		"git-ssh":    plain(llb.Git("ssh://git@git.example:22/org/repo.git", "main", llb.KnownSSHHosts("k1\n"), llb.KnownSSHHosts("k2"), llb.MountSSHSock("key"))),
		"git-subdir": plain(llb.Git("https://git.example/org/repo.git", "v1.0", llb.GitSubDir("a/b"))),
		"git-all": plain(llb.Git("https://git.example/org/repo.git", "v1.0", llb.KeepGitDir(),
			llb.GitChecksum("0123456789012345678901234567890123456789"), llb.AuthTokenSecret("token"),
			llb.AuthHeaderSecret("header"), llb.GitSkipSubmodules(), llb.GitMTimeCommit())),
		"oci-layout": plain(llb.OCILayout("wheels@sha256:" + zeros)),
		"oci-layout-all": plain(llb.OCILayout("wheels@sha256:"+zeros, llb.OCIStore("session", "store"),
			llb.OCILayerLimit(1), llb.Platform(arm64))),
		"source-metadata": plain(llb.Image("python", llb.WithCustomName("base"), llb.WithDescription(map[string]string{"k": "v"}),
			llb.IgnoreCache, llb.WithExportCache(), llb.ProgressGroup("id", "group", true))),
		"source-no-export": plain(llb.HTTP("https://files.example/x", llb.WithoutExportCache())),
	}
}

func localPatterns() llb.State {
	return llb.Local("context",
		llb.SessionID("s1"),
		llb.IncludePatterns([]string{"src", "*.toml"}),
		llb.ExcludePatterns([]string{"**/*.pyc", "!keep.pyc"}),
		llb.FollowPaths([]string{"scripts/run"}),
		llb.SharedKeyHint("code:voice"))
}

func httpAll() llb.State {
	return llb.HTTP("https://files.example/p/a.whl?x=1#frag",
		llb.Checksum(digest.Digest("sha256:"+zeros)),
		llb.Filename("a.whl"),
		llb.Chmod(0o644),
		llb.Chown(1000, 1001),
		llb.AuthHeaderSecret("index"))
}
