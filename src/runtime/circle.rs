//! Who is together behind a call: a key with its owner, team and organization, or nobody with a row at all.

use super::known::Known;
use crate::domain::{Attribution, KeyFacts, MemberFacts, OrganizationFacts, TeamFacts, UserFacts};
use crate::limits::Gate;
use smallvec::SmallVec;
use std::sync::Arc;

/// Everybody behind one key, as they were when it was looked up.
pub(super) struct Circle {
    /// sha256 of the key in hex.
    pub(super) key_hash: Arc<str>,
    pub(super) people: People,
    gates: SmallVec<[Gates; 5]>,
    /// Whom a record is to name; what only the call knows is missing.
    named: Attribution,
}

/// Who has a row.
#[derive(Clone, Default)]
pub(super) struct People {
    pub(super) key: Option<Arc<Known<KeyFacts>>>,
    pub(super) user: Option<Arc<Known<UserFacts>>>,
    pub(super) team: Option<Arc<Known<TeamFacts>>>,
    pub(super) member: Option<Arc<Known<MemberFacts>>>,
    pub(super) organization: Option<Arc<Known<OrganizationFacts>>>,
}

/// What calls pass of one of them.
struct Gates {
    every: Arc<Gate>,
    by_model: Vec<(Arc<str>, Arc<Gate>)>,
}

impl Circle {
    /// These people, whose gates are passed in this order. An owner's own budget is not asked when a team pays.
    pub(super) fn of(key_hash: Arc<str>, people: People) -> Self {
        let People { key, user, team, member, organization } = &people;
        let mut gates = SmallVec::new();
        gates.extend(key.as_deref().map(Gates::of));
        gates.extend(team.as_deref().map(Gates::of));
        gates.extend(member.as_ref().map(|member| Gates::only(&member.gate)));
        gates.extend(organization.as_ref().map(|organization| Gates::only(&organization.gate)));
        let owner = user.as_ref().map(|user| if team.is_some() { user.team_gate() } else { &user.gate });
        gates.extend(owner.map(Gates::only));
        Self { key_hash, named: people.named(), people, gates }
    }

    /// Nobody with a row: the master key, or anybody when there is none. Their calls pass this gate.
    pub(super) fn bare(key_hash: Arc<str>, gate: &Arc<Gate>) -> Self {
        let gates = SmallVec::from_iter([Gates::only(gate)]);
        Self { key_hash, people: People::default(), gates, named: Attribution::default() }
    }

    /// The same for the thread of this number alone. What calls count up and down for as long as they last (texts,
    /// gates) is a copy, so that no thread waits for another's count; facts and counters are the same.
    pub(super) fn apart(&self, thread: usize) -> Self {
        let text = |text: &Option<Arc<str>>| text.as_deref().map(Arc::from);
        let named = &self.named;
        Self {
            key_hash: Arc::from(&*self.key_hash),
            people: self.people.clone(),
            gates: self.gates.iter().map(|gates| gates.apart(thread)).collect(),
            named: Attribution {
                key_alias: text(&named.key_alias),
                user_id: text(&named.user_id),
                user_email: text(&named.user_email),
                team_id: text(&named.team_id),
                team_alias: text(&named.team_alias),
                organization_id: text(&named.organization_id),
                organization_alias: text(&named.organization_alias),
                tags: named.tags.iter().map(|tag| Arc::from(&**tag)).collect(),
                ..Attribution::default()
            },
        }
    }

    /// What a call of a model of these names passes.
    pub(super) fn gates<'a>(&'a self, names: &[&str]) -> impl Iterator<Item = &'a Arc<Gate>> {
        self.gates.iter().flat_map(|gates| {
            let own = gates.by_model.iter().find(|(model, _)| names.contains(&&**model));
            [Some(&gates.every), own.map(|(_, gate)| gate)].into_iter().flatten()
        })
    }

    /// The gate of the key, or of whoever has none.
    pub(super) fn first(&self) -> Option<&Arc<Gate>> {
        self.gates.first().map(|gates| &gates.every)
    }

    /// Whether anybody is named who has no row.
    pub(super) fn lacks_somebody(&self) -> bool {
        let People { key, user, team, member, organization } = &self.people;
        let Some(key) = key else { return false };
        let lacks_owner = key.user_id.is_some() && user.is_none();
        let lacks_team = key.team_id.is_some() && team.is_none();
        let lacks_member = key.user_id.is_some() && team.is_some() && member.is_none();
        let is_organized =
            key.organization_id.is_some() || team.as_ref().is_some_and(|team| team.organization_id.is_some());
        lacks_owner || lacks_team || lacks_member || (is_organized && organization.is_none())
    }

    /// Whom a record is to name.
    pub(super) fn named(&self) -> Attribution {
        self.named.clone()
    }
}

impl People {
    fn named(&self) -> Attribution {
        let (key, team, organization) = (self.key.as_ref(), self.team.as_ref(), self.organization.as_ref());
        let mut tags: Vec<Arc<str>> = key.map(|key| key.tags.clone()).unwrap_or_default();
        tags.extend(team.iter().flat_map(|team| team.tags.iter().cloned()));
        Attribution {
            key_alias: key.and_then(|key| key.alias.clone()),
            user_id: key.and_then(|key| key.user_id.clone()),
            user_email: self.user.as_ref().and_then(|user| user.email.clone()),
            team_id: key.and_then(|key| key.team_id.clone()),
            team_alias: team.and_then(|team| team.alias.clone()),
            organization_id: organization.map(|organization| Arc::clone(&organization.id)),
            organization_alias: organization.and_then(|organization| organization.alias.clone()),
            tags,
            ..Attribution::default()
        }
    }
}

impl Gates {
    fn of<F>(known: &Known<F>) -> Self {
        Self { every: Arc::clone(&known.gate), by_model: known.by_model.clone() }
    }

    fn only(gate: &Arc<Gate>) -> Self {
        Self { every: Arc::clone(gate), by_model: Vec::new() }
    }

    fn apart(&self, thread: usize) -> Self {
        let own = |(model, gate): &(Arc<str>, Arc<Gate>)| (Arc::clone(model), Arc::new(gate.apart(thread)));
        Self { every: Arc::new(self.every.apart(thread)), by_model: self.by_model.iter().map(own).collect() }
    }
}
