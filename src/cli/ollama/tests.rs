use super::edit::{EditError, edit};
use super::plan::{Plan, held, plan};
use super::server::{Installed, address, is_name};
use super::{library, still_served};
use crate::config::{Env, yaml};
use proptest::prelude::*;

const BASE: &str = "http://ollama:11434";

fn has(names: &[&str]) -> Vec<Installed> {
    let model = |name: &&str| Installed {
        name: (*name).to_owned(),
        size: 1,
        parameters: String::new(),
        embeds: name.contains("embed"),
        loaded: false,
    };
    names.iter().map(model).collect()
}

/// The file after a sync, and what was planned.
fn synced(text: &str, names: &[&str]) -> (Result<String, EditError>, Plan) {
    let root = yaml::parse(text, "c.yaml").unwrap();
    let env = Env::of(&[("OLLAMA_API_BASE", BASE)]);
    let plan = plan(&root, &held(&root, &env), BASE, &has(names), "ollama-group");
    (edit(text, &root, &plan).map(|(text, _)| text), plan)
}

const SEED: &str = include_str!("../../../tests/fixtures/seeds/seed3.yaml");

fn seed() -> String {
    SEED.replace("http://host.docker.internal:11434", BASE)
}

#[test]
fn the_seeds_file_changes_in_its_ollama_entries_only() {
    let (new, plan) = synced(&seed(), &["codellama:7b", "nomic-embed-text:latest"]);
    let new = new.unwrap();
    let (old_entry, rest) =
        seed().split_once("  - model_name: llama2").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let rest = rest.split_once("11434\n").unwrap().1;
    assert!(new.starts_with(&old_entry) && new.ends_with(rest), "{new}");
    let made = &new[old_entry.len()..new.len() - rest.len()];
    assert_eq!(
        made,
        "  - model_name: codellama:7b\n    litellm_params:\n      model: ollama/codellama:7b\n      \
         api_base: http://ollama:11434\n  - model_name: nomic-embed-text\n    litellm_params:\n      \
         model: ollama/nomic-embed-text\n      api_base: http://ollama:11434\n    model_info:\n      mode: embedding\n"
    );
    assert_eq!((plan.removed.len(), plan.kept), (1, 0));
    let (again, plan) = synced(&new, &["nomic-embed-text:latest", "codellama:7b"]);
    assert!(plan.is_idle(), "{plan:?}");
    assert_eq!(again.unwrap(), new);
}

#[test]
fn aliases_follow_and_what_else_names_a_lost_model_is_told() {
    let text = "\
model_list:
  - {model_name: gone, litellm_params: {model: ollama_chat/gone}}  # a note
  # kept: a comment
  - model_name: stays
    litellm_params: {model: ollama_chat/stays}
  - {model_name: other, litellm_params: {model: openai/other}}
router_settings:
  model_group_alias:
    ollama-group: [\"gone\", stays]  # all of them
    blocks:
      - gone   # one
      - stays  # two
    only: gone
    of-two: [gone, other]
  fallbacks: [{other: [gone]}]
";
    let (new, plan) = synced(text, &["stays:latest", "new:1b", "all-embed:latest"]);
    assert_eq!(
        new.unwrap(),
        "\
model_list:
  # kept: a comment
  - model_name: stays
    litellm_params: {model: ollama_chat/stays}
  - model_name: new:1b
    litellm_params:
      model: ollama_chat/new:1b
      api_base: http://ollama:11434
  - model_name: all-embed
    litellm_params:
      model: ollama/all-embed
      api_base: http://ollama:11434
    model_info:
      mode: embedding
  - {model_name: other, litellm_params: {model: openai/other}}
router_settings:
  model_group_alias:
    ollama-group: [\"stays\", \"new:1b\"]  # all of them
    blocks:
      - stays  # two
    of-two: [\"other\"]
  fallbacks: [{other: [gone]}]
"
    );
    assert_eq!(plan.notes, ["line 15: fallbacks still names gone"]);
}

#[test]
fn the_last_entry_ends_where_its_section_does_and_line_ends_stay() {
    let text = "model_list:\r\n- model_name: a\r\n  litellm_params:\r\n    model: ollama/a\r\n    # of a\r\n\r\n# about the rest\r\nlitellm_settings: {}\r\n";
    let (new, _) = synced(text, &[]);
    assert_eq!(new.unwrap(), "model_list:\r\n\r\n# about the rest\r\nlitellm_settings: {}\r\n");
    let (new, _) = synced(text, &["a:latest", "b:1"]);
    assert!(
        new.unwrap()
            .contains("    # of a\r\n- model_name: b:1\r\n  litellm_params:\r\n    model: ollama/b:1\r\n")
    );
    for empty in [
        "",
        "# nothing\n",
        "model_list: []\n",
        "model_list:\n",
        "litellm_settings: {}",
        "general_settings: {a: 1}\n",
    ] {
        let (new, _) = synced(empty, &["b:1"]);
        let new = new.unwrap();
        assert!(new.contains("model_list:") && new.contains("  - model_name: b:1\n"), "{empty:?}: {new}");
    }
}

#[test]
fn what_cannot_be_changed_safely_is_refused() {
    for (text, names) in [
        // JSON, which is YAML.
        (
            "{\"model_list\": [{\"model_name\": \"a\", \"litellm_params\": {\"model\": \"ollama/a\"}}]}",
            &[][..],
        ),
        ("model_list: [{model_name: a, litellm_params: {model: ollama/a}}]\n", &["a:latest", "b:1"][..]),
        // The entry lends its parameters to another one.
        (
            "model_list:\n  - model_name: a\n    litellm_params: &p {model: ollama/a, rpm: 1}\n  - model_name: b\n    litellm_params: {<<: *p, model: openai/b}\n",
            &[],
        ),
        ("model_list:\n  -\n    model_name: a\n    litellm_params: {model: ollama/a}\n", &[]),
    ] {
        let (new, plan) = synced(text, names);
        assert!(!plan.is_idle());
        assert!(new.is_err(), "{text}\n{new:?}");
    }
}

#[test]
fn entries_of_other_servers_and_wildcards_are_left_alone() {
    let text = "model_list:\n  - {model_name: a, litellm_params: {model: ollama/a, api_base: 'http://else:1'}}\n  - {model_name: '*', litellm_params: {model: ollama/*}}\n";
    let (new, plan) = synced(text, &[]);
    assert!(plan.is_idle());
    assert_eq!(new.unwrap(), text);
    assert_eq!(plan.notes, ["1 Ollama entries with another api_base stay as they are"]);
    let (_, plan) =
        synced("model_list:\n  - {model_name: b, litellm_params: {model: openai/b}}\n", &["b:latest"]);
    assert_eq!(plan.added[0].group, "ollama/b", "two things under one name would be mixed");
}

#[test]
fn addresses_are_taken_as_ollamas_own_client_takes_them() {
    for (written, is) in [
        ("box", "http://box:11434"),
        ("box:80", "http://box:80"),
        ("0.0.0.0:11434", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("https://o.example/", "https://o.example"),
        ("http://o:1/sub/", "http://o:1/sub"),
        ("http://o:1/v1", "http://o:1"),
    ] {
        assert_eq!(address(written), is);
    }
    assert!(is_name("hf.co/some-one/Model-GGUF:Q4_K_M") && is_name("llama2"));
    for odd in ["", "*", "a\nb", "os.environ/SECRET", "a: b", "'", "a:", "-a", "a #b", &"x".repeat(300)] {
        assert!(!is_name(odd), "{odd}");
    }
}

#[test]
fn the_library_is_searched_by_kind_and_text() {
    let names = |kind, text| library::find(kind, text).map(|model| model.name).collect::<Vec<_>>();
    assert!(names(Some("code"), None).contains(&"codellama"));
    assert!(
        names(None, Some("LLAMA")).iter().all(|name| name.contains("llama"))
            && names(None, Some("llama")).len() > 4
    );
    assert!(library::ALL.iter().all(|model| model.kinds.iter().all(|kind| library::KINDS.contains(kind))));
}

#[test]
fn a_change_that_could_not_be_served_is_found() {
    let fine = "model_list: []\n";
    assert!(still_served(fine, fine, &Env::of(&[])).is_ok());
    assert!(still_served(fine, "model_list: 1\n", &Env::of(&[])).is_err());
    assert!(
        still_served("model_list: 1\n", "model_list: 2\n", &Env::of(&[])).is_ok(),
        "it was broken before"
    );
}

proptest! {
    /// Any list of block and flow entries, with comments between: the rest of the lines stays in its order.
    #[test]
    fn lines_that_are_not_meant_stay(
        held in proptest::collection::vec((0..4_u8, 0..6_u8, any::<bool>()), 0..8),
        has in proptest::collection::btree_set(0..6_u8, 0..6),
    ) {
        let mut text = String::from("# top\nmodel_list:\n");
        let mut stay = vec!["# top".to_owned(), "model_list:".to_owned()];
        for (index, (kind, model, comment)) in held.iter().enumerate() {
            if *comment {
                let line = format!("  # about {index}");
                text.push_str(&format!("{line}\n\n"));
                stay.push(line);
            }
            let (prefix, mine) = if *kind == 0 { ("openai", false) } else { ("ollama", true) };
            let lines = match kind {
                1 => vec![format!("  - {{model_name: g{index}, litellm_params: {{model: {prefix}/m{model}:1}}}}")],
                2 => vec![format!("  - litellm_params:"), format!("      model: {prefix}/m{model}:1  # the model"), String::new(), format!("    model_name: g{index}")],
                _ => vec![format!("  -   model_name: g{index}"), format!("      litellm_params: {{ model: \"{prefix}/m{model}:1\" }}")],
            };
            for line in lines {
                text.push_str(&line);
                text.push('\n');
                if !mine || has.contains(model) {
                    stay.push(line);
                }
            }
        }
        text.push_str("router_settings: {num_retries: 1}   # end\n");
        stay.push("router_settings: {num_retries: 1}   # end".to_owned());
        let names: Vec<String> = has.iter().map(|n| format!("m{n}:1")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (new, _) = synced(&text, &names);
        let new = new.unwrap();
        let mut lines = new.lines();
        for line in stay.iter().filter(|line| !line.is_empty()) {
            prop_assert!(lines.any(|held| held == line), "{line:?} in\n{new}\nfrom\n{text}");
        }
        prop_assert!(synced(&new, &names).1.is_idle());
    }

    #[test]
    fn no_text_makes_it_panic(text in "(model_list|router_settings|  - |model_name|: |ollama/|a|\n|\\[|\\]|\"|#| |\\{|\\}|litellm_params){0,40}") {
        if let Ok(root) = yaml::parse(&text, "c.yaml") {
            let plan = plan(&root, &held(&root, &Env::of(&[])), BASE, &has(&["b:1"]), "a");
            drop(edit(&text, &root, &plan));
        }
    }
}
