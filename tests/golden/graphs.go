package main

import (
	"context"
	"fmt"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	digest "github.com/opencontainers/go-digest"
)

var manifest = llb.NewSourceMap(nil, "service.yaml", "YAML", []byte("name: voice\nservices:\n  stt: {}\n"))

func lines(start, end int32) []*pb.Range {
	return []*pb.Range{{Start: &pb.Position{Line: start}, End: &pb.Position{Line: end}}}
}

func graphs() group {
	a, b, c := llb.Image("a"), llb.Image("b", llb.Platform(arm64)), llb.Image("c")
	return group{
		"merge":         plain(llb.Merge([]llb.State{a, b, c})),
		"merge-same":    plain(llb.Merge([]llb.State{a, b, a})),
		"merge-scratch": plain(llb.Merge([]llb.State{llb.Scratch(), a, llb.Scratch(), b})),
		"merge-one":     plain(llb.Merge([]llb.State{llb.Scratch(), a})),
		"merge-none":    plain(llb.Merge([]llb.State{llb.Scratch()})),
		"merge-name":    plain(llb.Merge([]llb.State{a, b}, llb.WithCustomName("all"))),
		"merge-exec":    plain(llb.Merge([]llb.State{b, a}).Run(llb.Args([]string{"x"})).Root()),
		"diff":          plain(llb.Diff(a, b)),
		"diff-scratch":  plain(llb.Diff(llb.Scratch(), a)),
		"diff-deletes":  plain(llb.Diff(a, llb.Scratch())),
		"diff-exec":     plain(llb.Diff(b, a, llb.WithCustomName("d")).Run(llb.Args([]string{"x"})).Root()),
		"dockerfile":    {state: dockerfile(), opts: []llb.ConstraintsOpt{llb.WithCaps(pb.Caps.CapSet(pb.Caps.All()))}},
		"wheels":        {state: wheels(), opts: []llb.ConstraintsOpt{llb.WithCaps(pb.Caps.CapSet(pb.Caps.All()))}},
		"twins":         plain(twins()),
		"locations":     plain(locations()),
		"imported":      plain(imported()),
	}
}

// What a Dockerfile of two stages becomes.
func dockerfile() llb.State {
	context := llb.Local("context", llb.SessionID("s1"), llb.FollowPaths([]string{"app", "requirements.txt"}),
		llb.SharedKeyHint("context"), llb.WithCustomName("[internal] load build context"))
	slim := llb.Image("python:3.11-slim", llb.WithCustomName("[base] FROM python:3.11-slim"), llb.Platform(amd64))
	build := slim.Dir("/src").AddEnv("PIP_NO_CACHE_DIR", "1").
		File(llb.Copy(context, "/requirements.txt", "/src/", &llb.CopyInfo{CreateDestPath: true}),
			llb.WithCustomName("COPY requirements.txt ."), manifest.Location(lines(1, 1))).
		Run(llb.Shlex("/bin/sh -c 'pip install -r requirements.txt'"),
			llb.AddMount("/root/.cache/pip", llb.Scratch(), llb.AsPersistentCacheDir("pip", llb.CacheMountLocked)),
			llb.AddSecret("/run/secrets/index", llb.SecretID("index"), llb.SecretOptional),
			llb.WithCustomName("RUN pip install"), manifest.Location(lines(2, 3))).Root()
	final := slim.
		File(llb.Copy(build, "/usr/local/lib", "/usr/local/", &llb.CopyInfo{CreateDestPath: true, CopyDirContentsOnly: true})).
		File(llb.Copy(context, "/app", "/app", llb.WithUIDGID(1000, 1000)).Mkfile("/etc/version", 0o444, []byte("1\n")))
	return final.Run(llb.Args([]string{"python", "-m", "compileall", "/app"}), llb.Network(llb.NetModeNone)).Root()
}

// Wheels from a web server, each unpacked by a tool into a tree of its own, all laid over the base.
func wheels() llb.State {
	slim := llb.Image("python:3.11-slim@sha256:"+zeros, llb.Platform(arm64), llb.WithCustomName("base"))
	tool := llb.Image("ghcr.io/example/frontend@sha256:"+zeros, llb.Platform(amd64))
	layers := []llb.State{slim}
	for i, name := range []string{"numpy", "requests", "torch"} {
		wheel := llb.HTTP(fmt.Sprintf("https://index.example/%s.whl", name),
			llb.Checksum(digest.FromString(name)), llb.Filename(name+"-1.0-py3-none-any.whl"), llb.WithCustomName("fetch "+name))
		layer := llb.Scratch().Run(
			llb.Args([]string{"/t/unwheel", "--venv", "/opt/venv"}),
			llb.AddMount("/t", tool, llb.Readonly, llb.SourcePath("/bin")),
			llb.AddMount("/w", wheel, llb.Readonly),
			llb.Network(llb.NetModeNone),
			llb.Platform(amd64),
			llb.WithCustomName("unpack "+name),
			llb.ProgressGroup("wheels", "wheels", false),
			manifest.Location(lines(int32(i+1), int32(i+1)))).Root()
		layers = append(layers, layer)
	}
	merged := llb.Merge(layers, llb.WithCustomName("merge"), manifest.Location(lines(1, 3)))
	code := llb.Local("context", llb.SessionID("s1"), llb.IncludePatterns([]string{"services/stt"}), llb.SharedKeyHint("code:stt"))
	return merged.File(llb.Copy(code, "/", "/app/", &llb.CopyInfo{
		CopyDirContentsOnly: true, CreateDestPath: true, IncludePatterns: []string{"services/stt"}, Mode: &llb.ChmodOpt{Mode: 0o755},
	}, llb.WithUIDGID(10001, 10001)), llb.WithCustomName("code"), manifest.Location(lines(3, 3)))
}

// Two operations of equal bytes become one, with the metadata of both.
func twins() llb.State {
	a := llb.Image("a", llb.WithCustomName("first"), llb.WithDescription(map[string]string{"x": "1"}), manifest.Location(lines(1, 1)))
	b := llb.Image("a", llb.WithCustomName("second"), llb.WithDescription(map[string]string{"y": "2"}), llb.IgnoreCache, manifest.Location(lines(2, 2)))
	return llb.Merge([]llb.State{a, b})
}

// Several files, several ranges, a file that is there twice.
func locations() llb.State {
	again := llb.NewSourceMap(nil, "service.yaml", "YAML", []byte("name: voice\nservices:\n  stt: {}\n"))
	other := llb.NewSourceMap(nil, "pylock.toml", "TOML", []byte("lock-version = '1.0'\n"))
	ranges := []*pb.Range{
		{Start: &pb.Position{Line: 1, Character: 2}, End: &pb.Position{Line: 1, Character: 7}},
		{Start: &pb.Position{Line: 3}, End: &pb.Position{Line: 4, Character: 1}},
	}
	return llb.Image("a", other.Location(ranges)).
		File(llb.Mkdir("/a", 0o755), manifest.Location(lines(1, 1)), other.Location(lines(2, 2))).
		File(llb.Mkdir("/b", 0o755)).
		File(llb.Mkdir("/c", 0o755), again.Location(lines(3, 3)))
}

// A graph that was marshalled before, with more on top of it.
func imported() llb.State {
	def, err := dockerfile().Marshal(context.Background(), append(defaults, llb.LocalUniqueID("elsewhere"))...)
	if err != nil {
		panic(err)
	}
	op, err := llb.NewDefinitionOp(def.ToPB())
	if err != nil {
		panic(err)
	}
	return llb.NewState(op.Output()).
		File(llb.Mkdir("/x", 0o755), manifest.Location(lines(1, 2))).
		Run(llb.Args([]string{"true"})).Root()
}
