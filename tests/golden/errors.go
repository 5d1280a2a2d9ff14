package main

import (
	"encoding/json"

	"github.com/containerd/typeurl/v2"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
)

// A detail of an error as the daemon packs it.
type detail struct {
	TypeURL string `json:"type_url"`
	Value   string `json:"value"`
}

func details() (map[string]detail, error) {
	info := &pb.SourceInfo{Filename: "service.yaml", Language: "YAML", Data: []byte("name: <ü>\n")}
	ranges := []*pb.Range{
		{Start: &pb.Position{Line: 1, Character: 2}, End: &pb.Position{Line: 1, Character: 7}},
		{Start: &pb.Position{Line: 3}, End: &pb.Position{Line: 4}},
	}
	withDefinition := &pb.SourceInfo{Filename: "Dockerfile", Definition: &pb.Definition{Def: [][]byte{{1}}}}
	out := map[string]detail{}
	for name, v := range map[string]any{
		"source":            &errdefs.Source{Info: info, Ranges: ranges},
		"source-empty":      &errdefs.Source{},
		"source-definition": &errdefs.Source{Info: withDefinition},
		"vertex":            &errdefs.Vertex{Digest: "sha256:" + zeros},
		"frontend":          &errdefs.Frontend{Name: "gateway.v0", Source: "ghcr.io/example/frontend"},
		"frontend-cap":      &errdefs.FrontendCap{Name: "moby.buildkit.frontend.inputs"},
		"subrequest":        &errdefs.Subrequest{Name: "frontend.lint"},
	} {
		url, err := typeurl.TypeURL(v)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		out[name] = detail{TypeURL: url, Value: string(value)}
	}
	return out, nil
}
