// Command llbgolden writes the definitions that BuildKit's own Go client makes of the graphs in this directory, one
// JSON file for each group of cases. llb/tests/golden.rs builds the same graphs and compares.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Each case is a state and the options it is marshalled with.
type testCase struct {
	state llb.State
	opts  []llb.ConstraintsOpt
}

type group map[string]testCase

// The platform and the id that all cases have unless they say otherwise; without them Go takes the machine's own and
// a random one.
var defaults = []llb.ConstraintsOpt{llb.Platform(amd64), llb.LocalUniqueID("unique")}

var (
	amd64 = ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	arm64 = ocispecs.Platform{OS: "linux", Architecture: "arm64"}
	armv7 = ocispecs.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}
)

func plain(s llb.State) testCase { return testCase{state: s} }

func main() {
	dir := "."
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	groups := map[string]group{
		"sources": sources(),
		"execs":   execs(),
		"files":   files(),
		"graphs":  graphs(),
	}
	for name, cases := range groups {
		if err := write(filepath.Join(dir, name+".json"), cases); err != nil {
			fmt.Fprintln(os.Stderr, name, err)
			os.Exit(1)
		}
	}
	errors, err := details()
	if err == nil {
		err = save(filepath.Join(dir, "errors.json"), errors)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "errors", err)
		os.Exit(1)
	}
}

func write(path string, cases group) error {
	out := map[string]definition{}
	for name, c := range cases {
		def, err := c.state.Marshal(context.Background(), append(defaults, c.opts...)...)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		out[name] = convert(def.ToPB())
	}
	return save(path, out)
}

func save(path string, value any) error {
	data, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}

// What is compared, in a form that both sides can write.
type definition struct {
	Ops      [][]byte            `json:"ops"`
	Metadata map[string]metadata `json:"metadata"`
	Source   *source             `json:"source"`
}

type metadata struct {
	IgnoreCache    bool              `json:"ignore_cache"`
	Description    map[string]string `json:"description"`
	ExportCache    *bool             `json:"export_cache"`
	Caps           map[string]bool   `json:"caps"`
	ProgressGroup  []any             `json:"progress_group"`
	LinuxResources []any             `json:"linux_resources"`
}

type source struct {
	Infos     []info                `json:"infos"`
	Locations map[string][]location `json:"locations"`
}

type info struct {
	Filename string `json:"filename"`
	Language string `json:"language"`
	Data     []byte `json:"data"`
}

type location struct {
	Info   int32      `json:"info"`
	Ranges [][4]int32 `json:"ranges"`
}

func convert(def *pb.Definition) definition {
	out := definition{Ops: def.Def, Metadata: map[string]metadata{}}
	for dgst, m := range def.Metadata {
		md := metadata{IgnoreCache: m.IgnoreCache, Description: m.Description, Caps: m.Caps}
		if md.Description == nil {
			md.Description = map[string]string{}
		}
		if m.ExportCache != nil {
			md.ExportCache = &m.ExportCache.Value
		}
		if g := m.ProgressGroup; g != nil {
			md.ProgressGroup = []any{g.Id, g.Name, g.Weak}
		}
		if r := m.LinuxResources; r != nil {
			md.LinuxResources = []any{
				r.Memory, r.MemorySwap, r.CpuShares, r.CpuPeriod, r.CpuQuota, r.CpusetCpus, r.CpusetMems,
			}
		}
		out.Metadata[dgst] = md
	}
	if def.Source != nil {
		out.Source = convertSource(def.Source)
	}
	return out
}

func convertSource(src *pb.Source) *source {
	out := &source{Infos: []info{}, Locations: map[string][]location{}}
	for _, i := range src.Infos {
		out.Infos = append(out.Infos, info{Filename: i.Filename, Language: i.Language, Data: i.Data})
	}
	for dgst, ls := range src.Locations {
		locations := []location{}
		for _, l := range ls.Locations {
			ranges := [][4]int32{}
			for _, r := range l.Ranges {
				ranges = append(ranges, [4]int32{r.Start.Line, r.Start.Character, r.End.Line, r.End.Character})
			}
			locations = append(locations, location{Info: l.SourceIndex, Ranges: ranges})
		}
		out.Locations[dgst] = locations
	}
	return out
}
