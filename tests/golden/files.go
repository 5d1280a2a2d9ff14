package main

import (
	"time"

	"github.com/moby/buildkit/client/llb"
)

func on(a *llb.FileAction, opts ...llb.ConstraintsOpt) testCase { return plain(base.File(a, opts...)) }

func fresh(a *llb.FileAction) testCase { return plain(llb.Scratch().File(a)) }

func files() group {
	src := llb.Local("context", llb.SessionID("s"))
	other := llb.Image("other")
	return group{
		"mkdir":               fresh(llb.Mkdir("/a", 0o755)),
		"mkdir-parents":       on(llb.Mkdir("a/../b/c", 0o1700, llb.WithParents(true), llb.WithUIDGID(0, 1000))),
		"mkdir-named":         on(llb.Mkdir("/a", 0o755, llb.WithUser("app:staff"))),
		"mkdir-mixed":         on(llb.Mkdir("/a", 0o755, llb.WithUser("root:1000"))),
		"mkdir-user":          on(llb.Mkdir("/a", 0o755, llb.WithUser("app"))),
		"mkdir-named-scratch": fresh(llb.Mkdir("/a", 0o755, llb.WithUser("app"))),
		"mkdir-time":          on(llb.Mkdir("/a", 0o755, llb.WithCreatedTime(time.Unix(0, 0)))),
		"mkfile":              fresh(llb.Mkfile("/a", 0o644, []byte("hello\n"))),
		"mkfile-empty":        fresh(llb.Mkfile("/a", 0, nil)),
		"mkfile-owner":        on(llb.Mkfile("/a", 0o600, []byte{0, 255}, llb.WithUIDGID(1000, 1000), llb.WithCreatedTime(time.Unix(1700000000, 5)))),
		"symlink":             on(llb.Symlink("../x", "/usr/bin/y")),
		"symlink-owner":       on(llb.Symlink("x", "/y", llb.WithUIDGID(1, 2), llb.WithCreatedTime(time.Unix(1, 0)))),
		"rm":                  on(llb.Rm("/a/b/")),
		"rm-all":              on(llb.Rm("/a/*", llb.WithAllowNotFound(true), llb.WithAllowWildcard(true))),
		"copy":                fresh(llb.Copy(src, "/", "/app")),
		"copy-relative":       on(llb.Copy(src, "a/./b/../c/", "d/")),
		"copy-dot":            on(llb.Copy(src, ".", "/d/.")),
		"copy-to-root":        on(llb.Copy(src, "x", "/")),
		"copy-scratch":        on(llb.Copy(llb.Scratch(), "/", "/x")),
		"copy-self":           on(llb.Copy(base, "/etc/passwd", "/p")),
		"copy-all": on(llb.Copy(src, "/src/*", "/app/", &llb.CopyInfo{
			Mode: &llb.ChmodOpt{Mode: 0o750}, FollowSymlinks: true, CopyDirContentsOnly: true,
			IncludePatterns: []string{"**/*.py", "*.toml"}, ExcludePatterns: []string{"**/test_*", "!x"}, RequiredPaths: []string{"a"},
			AttemptUnpack: true, CreateDestPath: true, AllowWildcard: true, AllowEmptyWildcard: true,
			AlwaysReplaceExistingDestPaths: true,
		}, llb.WithUIDGID(1000, 1000), llb.WithCreatedTime(time.Unix(1700000000, 0)))),
		"copy-mode-zero": on(llb.Copy(src, "/a", "/b", llb.ChmodOpt{})),
		"copy-mode-str":  on(llb.Copy(src, "/a", "/b", llb.ChmodOpt{ModeStr: "u+rwX,go-w"})),
		"copy-named":     on(llb.Copy(src, "/a", "/b", llb.WithUser("app:app"))),
		"chain": on(llb.Mkdir("/a", 0o755).Copy(src, "/x", "/a/x").Copy(other, "/y", "/a/y", llb.WithUser("app")).
			Copy(src, "/z", "/a/z").Rm("/a/x").Mkfile("/a/f", 0o644, []byte("f")).Symlink("f", "/a/g")),
		"chain-scratch": fresh(llb.Copy(src, "/x", "/x").Mkdir("/a", 0o755, llb.WithUser("app")).Copy(other, "/y", "/y")),
		"file-metadata": on(llb.Mkdir("/a", 0o755), llb.WithCustomName("make a"), llb.IgnoreCache),
		"file-platform": plain(llb.Image("a", llb.Platform(arm64)).File(llb.Mkdir("/a", 0o755)).Run(llb.Args([]string{"x"})).Root()),
	}
}
