//! `environment_variables:`: variables of the file, laid over those of the process.

use super::super::env::may_be_set;
use super::super::field::{Report, Section};
use super::super::resolve::resolve;
use super::super::tree::{Node, Value};
use super::super::{Env, python};
use super::warn_unset;

/// The environment with the file's variables, which win.
pub(super) fn overlaid(root: &Node, env: &Env, report: &mut Report) -> Env {
    let section = Section::of(root, "", "environment_variables", report);
    let mut overlaid = env.clone();
    for field in section.fields() {
        if !may_be_set(field.key()) {
            report.warn(field.place(), "a configuration may not set this variable; it is left alone");
            continue;
        }
        let node = resolve(field.node(), field.path(), env, &mut |unset| warn_unset(&unset, report));
        match node.value {
            Value::Null => {}
            Value::List(_) | Value::Map(_) => report.fault(field.place(), "a variable is text"),
            _ => overlaid.set(field.key(), python::str_of(&node)),
        }
    }
    overlaid
}
