use super::*;

fn describe(text: &str) -> String {
    let file = SourceFile::new("r.txt", text);
    let (found, mistakes) = read(&file, &"services/api/requirements.txt".parse().unwrap());
    let mut out = Vec::new();
    let lists = [
        ("include", &found.includes),
        ("package", &found.packages),
        ("file", &found.files),
    ];
    for (what, list) in lists {
        out.extend(
            list.iter()
                .map(|named| format!("{what} {} at {}", named.path, &text[named.span.range()])),
        );
    }
    out.extend(found.checkouts.iter().map(|(folder, checkout)| {
        format!("checkout {folder}: {} {:?}", checkout.url, checkout.subdirectory)
    }));
    out.extend(found.variables.iter().map(|name| format!("variable {name}")));
    out.extend(
        found
            .hashes
            .iter()
            .map(|(name, hashes)| format!("{name}: {} hashes", hashes.len())),
    );
    out.extend(found.text.iter().map(|text| format!("for uv:\n{text}")));
    out.extend(
        mistakes
            .iter()
            .map(|d| format!("{} | {}", d.summary(), d.help.join(" | "))),
    );
    out.join("\n")
}

#[test]
fn what_a_file_names_is_found() {
    insta::assert_snapshot!(describe(include_str!("tests/names.txt")));
}

#[test]
fn what_cannot_be_built_is_refused_with_its_line() {
    insta::assert_snapshot!(describe(include_str!("tests/refused.txt")));
}

#[test]
fn plain_files_stay_as_they_are() {
    let text = "\u{feff}# -*- coding: utf-8 -*-\n--index-url=https://index.example/simple\n--pre\nfastapi[all] >=0.1, <1 ; python_version >= '3.8' # why\nuvicorn==1.0 \\\n    --hash=sha256:8bb5376d2006950386f8c6427613334a2acadc5f559cb80e638d00b4df957e37\n";
    assert_eq!(describe(&text["\u{feff}".len()..]), "uvicorn: 1 hashes");
    assert!(describe(text).starts_with("uvicorn: 1 hashes\nfor uv:\n# -*-"));
}

proptest::proptest! {
    #[test]
    fn no_text_panics_the_reader(text in "\\PC*", lines in "([-a-z0-9@=:/.\\[\\]#;\\\\ '\"\\n+$\\{\\}]|git\\+|--hash=|file:|é){0,80}") {
        describe(&text);
        describe(&lines);
        describe(&format!("-e{lines}"));
        describe(&format!("x @ git+https://h/{lines}"));
    }
}
