// Checks an eStargz layer with the stargz snapshotter's own library: footer, table of contents and its digest, every
// chunk against its digest, and prints what the table holds. `go run . LAYER TOC_DIGEST`
package main

import (
	"fmt"
	"io"
	"os"
	"path"

	"github.com/containerd/stargz-snapshotter/estargz"
	"github.com/opencontainers/go-digest"
)

func main() {
	if err := check(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(name, toc string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	reader, err := estargz.Open(io.NewSectionReader(file, 0, info.Size()))
	if err != nil {
		return err
	}
	verifier, err := reader.VerifyTOC(digest.Digest(toc))
	if err != nil {
		return err
	}
	root, ok := reader.Lookup("")
	if !ok {
		return fmt.Errorf("the table has no root")
	}
	return walk(reader, verifier, "", root)
}

func walk(reader *estargz.Reader, verifier estargz.TOCEntryVerifier, name string, entry *estargz.TOCEntry) error {
	var failed error
	entry.ForeachChild(func(base string, child *estargz.TOCEntry) bool {
		failed = visit(reader, verifier, path.Join(name, base), child)
		return failed == nil
	})
	return failed
}

func visit(reader *estargz.Reader, verifier estargz.TOCEntryVerifier, name string, entry *estargz.TOCEntry) error {
	fmt.Printf("%s %s %o %d %d\n", entry.Type, name, entry.Mode, entry.Size, entry.ModTime().Unix())
	if entry.Type == "dir" {
		return walk(reader, verifier, name, entry)
	}
	contents, err := reader.OpenFile(name)
	if err != nil {
		return err
	}
	if entry.Size == 0 {
		return nil
	}
	// Wheels' files are one chunk each, so that its digest is the file's.
	chunk, err := verifier.Verifier(entry)
	if err != nil {
		return err
	}
	if _, err := io.Copy(chunk, contents); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if !chunk.Verified() {
		return fmt.Errorf("%s: contents are not those of the table", name)
	}
	return nil
}
