//! Whatever is granted, the caller had: found out by using both keys, not by comparing their texts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use super::{Grantor, Place, Standing, may_change, may_read};
use crate::auth::{Principal, Role, fixture, route_allowed};
use crate::domain::{BudgetTerms, KeyFacts, Money, QueueTerms, RateTerms, TeamFacts, UserFacts, UserRole};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::{select, subsequence};
use std::sync::Arc;

const MODELS: [&str; 9] = [
    "a",
    "b",
    "openai/a",
    "openai/*",
    "open*",
    "*",
    "all-team-models",
    "all-proxy-models",
    "no-default-models",
];
const ASKED: [&str; 6] = ["a", "b", "openai/a", "openai/b", "openx", "zzz"];
const ROUTES: [&str; 10] = [
    "/v1/chat/completions",
    "/v1/*",
    "/v1/models",
    "*",
    "llm_api_routes",
    "openai_routes",
    "management_routes",
    "key_management_routes",
    "/key/info",
    "/key/*",
];
const PATHS: [&str; 8] = [
    "/v1/chat/completions",
    "/v1/messages",
    "/v1/models/x",
    "/key/generate",
    "/key/sk-1/regenerate",
    "/key/info",
    "/global/spend",
    "/team/new",
];
const PERIODS: [&str; 6] = ["1h", "1d", "7d", "30d", "1mo", "1w"];

fn names(of: &'static [&'static str]) -> impl Strategy<Value = Vec<Arc<str>>> {
    subsequence(of, 0..3).prop_map(|list| list.into_iter().map(Arc::from).collect())
}

fn who(of: &'static [&'static str]) -> impl Strategy<Value = Option<Arc<str>>> {
    option::of(select(of)).prop_map(|id| id.map(Arc::from))
}

fn budget() -> impl Strategy<Value = BudgetTerms> {
    (option::of(0..4i64), option::of(select(&PERIODS)), option::weighted(0.1, (1..3i64, 1..3i64))).prop_map(
        |(max, period, increase)| BudgetTerms {
            max: max.map(Money::from_pico),
            period: period.map(|text| text.parse().unwrap()),
            increase: increase.map(|(amount, until)| (Money::from_pico(amount), until)),
            ..BudgetTerms::default()
        },
    )
}

fn rates() -> impl Strategy<Value = RateTerms> {
    (option::of(0..3u64), option::of(0..3u64), option::of(0..3u64))
        .prop_map(|(rpm, tpm, parallel)| RateTerms { rpm, tpm, parallel })
}

fn key() -> impl Strategy<Value = KeyFacts> {
    let owner = (who(&["u1", "u2"]), who(&["t1", "t2"]), who(&["o1", "o2"]));
    let lists = (names(&MODELS), names(&ROUTES), vec((select(&ASKED), select(&ASKED)), 0..2));
    let limits = (rates(), budget(), vec(budget(), 0..2), option::of(0..3i64), any::<bool>(), any::<bool>());
    (owner, lists, limits).prop_map(
        |((user_id, team_id, organization_id), (models, allowed_routes, aliases), limits)| {
            let (rates, budget, windows, expires, reads_spend, blocked) = limits;
            KeyFacts {
                user_id,
                team_id,
                organization_id,
                models,
                allowed_routes,
                aliases: aliases.into_iter().map(|(from, to)| (Arc::from(from), Arc::from(to))).collect(),
                rates,
                model_rates: vec![(Arc::from("a"), rates)],
                budget,
                windows: windows.into_iter().map(|terms| (Arc::from("1d"), terms)).collect(),
                expires,
                reads_spend,
                blocked,
                ..fixture::key()
            }
        },
    )
}

fn team() -> impl Strategy<Value = TeamFacts> {
    (select(&["t1", "t2"]), names(&["a", "b", "openai/*"]), who(&["o1"])).prop_map(
        |(id, models, organization_id)| TeamFacts {
            id: Arc::from(id),
            alias: None,
            organization_id,
            models,
            aliases: Vec::new(),
            blocked: false,
            admins: Vec::new(),
            rates: RateTerms::default(),
            model_rates: Vec::new(),
            budget: BudgetTerms::default(),
            member_rates: RateTerms::default(),
            member_budget: BudgetTerms::default(),
            tags: Vec::new(),
            queue: QueueTerms::default(),
            client_tags: false,
        },
    )
}

fn role() -> impl Strategy<Value = Role> {
    select(&[
        Role::InternalUser,
        Role::InternalUser,
        Role::InternalUser,
        Role::InternalUserViewer,
        Role::Unknown,
    ])
}

fn standing() -> impl Strategy<Value = Standing> {
    select(&[Standing::Stranger, Standing::Member, Standing::Admin])
}

/// Whether a list lets a model through, as LiteLLM documents it.
fn lists(models: &[Arc<str>], team: Option<&TeamFacts>, asked: &str) -> bool {
    models.is_empty()
        || models.iter().any(|entry| match &**entry {
            "*" | "all-proxy-models" => true,
            "no-default-models" => false,
            "all-team-models" => team.is_some_and(|team| lists(&team.models, None, asked)),
            entry => match entry.split_once('*') {
                Some((start, _)) => asked.starts_with(start),
                None => entry == asked,
            },
        })
}

/// Whether a key can get at a model: under its name, or under one of the key's own that is listed.
fn calls(key: &KeyFacts, team: Option<&TeamFacts>, asked: &str) -> bool {
    let alias = key
        .aliases
        .iter()
        .any(|(from, to)| **to == *asked && (lists(&key.models, team, from) || lists(&key.models, team, to)));
    alias || lists(&key.models, team, asked)
}

fn no_wider<T: PartialOrd>(new: Option<T>, own: Option<T>) -> bool {
    match (new, own) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(new), Some(own)) => new <= own,
    }
}

/// Everything that can be done with `new` can be done with `own`.
fn gives_no_more(new: &KeyFacts, own: &KeyFacts, team: Option<&TeamFacts>) -> Result<(), String> {
    let same_team = team.filter(|team| own.team_id.as_deref() == Some(&*team.id));
    for asked in ASKED {
        if calls(new, team, asked) && !calls(own, same_team, asked) {
            return Err(format!("model {asked}"));
        }
    }
    for path in PATHS {
        if route_allowed(new, path) && !route_allowed(own, path) {
            return Err(format!("route {path}"));
        }
    }
    let money = |new: &BudgetTerms, own: &BudgetTerms| {
        let most = |terms: &BudgetTerms, at: i64| {
            let raised =
                terms.increase.filter(|(_, until)| at < *until).map_or(Money::ZERO, |(more, _)| more);
            terms.max.map(|max| max.saturating_add(raised))
        };
        (0..4).all(|at| no_wider(most(new, at), most(own, at)))
            && (own.max.is_none() || new.period.is_none() || own.period.is_some())
    };
    let of_window = |key: &KeyFacts| key.windows.first().map(|(_, terms)| *terms).unwrap_or_default();
    let checks = [
        ("rpm", no_wider(new.rates.rpm, own.rates.rpm)),
        ("tpm", no_wider(new.rates.tpm, own.rates.tpm)),
        ("parallel", no_wider(new.rates.parallel, own.rates.parallel)),
        ("model rpm", no_wider(new.model_rates[0].1.rpm, own.model_rates[0].1.rpm)),
        ("time", no_wider(new.expires, own.expires)),
        ("money", money(&new.budget, &own.budget)),
        ("window", money(&of_window(new), &of_window(own))),
        ("spend", !new.reads_spend || own.reads_spend),
        ("team", own.team_id.is_none() || new.team_id == own.team_id),
    ];
    checks.into_iter().find(|(_, holds)| !holds).map_or(Ok(()), |(what, _)| Err(what.to_owned()))
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 20_000, ..Default::default() })]

    #[test]
    fn what_is_granted_the_caller_had(
        role in role(),
        own in key(),
        old in option::of(key()),
        wish in key(),
        follow in any::<[bool; 11]>(),
        team in team(),
        standing in standing(),
        owner_is_member in any::<bool>(),
    ) {
        // A wish that follows the caller's key here and there is granted now and then.
        let mut new = wish;
        let basis = old.as_ref().filter(|_| follow[10]).unwrap_or(&own);
        if follow[0] { new.user_id.clone_from(&basis.user_id); }
        if follow[1] { new.team_id.clone_from(&basis.team_id); }
        if follow[2] { new.organization_id.clone_from(&basis.organization_id); }
        if follow[3] { new.models.clone_from(&basis.models); }
        if follow[4] { new.allowed_routes.clone_from(&basis.allowed_routes); }
        if follow[5] { new.rates = basis.rates; new.model_rates.clone_from(&basis.model_rates); }
        if follow[6] { new.budget = basis.budget; new.windows.clone_from(&basis.windows); }
        if follow[7] { new.expires = basis.expires; }
        if follow[8] { new.reads_spend = basis.reads_spend; }
        if follow[9] { new.aliases.clone_from(&basis.aliases); }
        let principal = Principal { key: Some(Arc::new(own.clone())), ..fixture::principal(role, own.clone()) };
        let place = (new.team_id.as_deref() == Some(&*team.id)).then_some(Place { team: &team, standing, owner_is_member });
        let granted = Grantor { principal: &principal, user: None, place }.check(old.as_ref(), &new).is_ok();
        if granted {
            prop_assert_eq!(role, Role::InternalUser);
            let for_itself = own.user_id.is_some() && new.user_id == own.user_id;
            let as_admin = place.is_some_and(|p| p.standing == Standing::Admin && (new.user_id.is_none() || owner_is_member));
            prop_assert!(for_itself || as_admin, "for {:?}", new.user_id);
            prop_assert!(new.team_id.is_none() || place.is_some_and(|p| p.standing > Standing::Stranger));
            prop_assert!(!old.as_ref().is_some_and(|old| old.blocked && !new.blocked));
            let team = place.map(|place| place.team);
            let by_own = gives_no_more(&new, &own, team);
            let by_old = old.as_ref().map(|old| gives_no_more(&new, old, team));
            prop_assert!(by_own.is_ok() || matches!(by_old, Some(Ok(()))), "{:?} {:?}", by_own, by_old);
        }
    }
}

fn of_user() -> (Principal, UserFacts) {
    let own = KeyFacts { user_id: Some(Arc::from("u1")), ..fixture::key() };
    let user = UserFacts {
        id: Arc::from("u1"),
        email: None,
        role: UserRole::InternalUser,
        models: vec![Arc::from("a")],
        rates: RateTerms { rpm: Some(10), ..RateTerms::default() },
        budget: BudgetTerms { max: Some(Money::from_pico(5)), ..BudgetTerms::default() },
    };
    (fixture::principal(Role::InternalUser, own), user)
}

#[test]
fn a_user_gets_a_key_for_itself_and_none_for_others() {
    let (principal, user) = of_user();
    let grantor = Grantor { principal: &principal, user: Some(&user), place: None };
    let mine = KeyFacts { user_id: Some(Arc::from("u1")), ..fixture::key() };
    assert!(grantor.check(None, &mine).is_ok());
    for new in [
        KeyFacts { user_id: None, ..mine.clone() },
        KeyFacts { user_id: Some(Arc::from("u2")), ..mine.clone() },
        KeyFacts { team_id: Some(Arc::from("t1")), ..mine.clone() },
        KeyFacts { organization_id: Some(Arc::from("o1")), ..mine.clone() },
        KeyFacts { models: vec![Arc::from("b")], ..mine.clone() },
        KeyFacts { reads_spend: true, ..mine.clone() },
        KeyFacts { rates: RateTerms { rpm: Some(11), ..RateTerms::default() }, ..mine.clone() },
        KeyFacts { budget: BudgetTerms { max: Some(Money::from_pico(6)), ..BudgetTerms::default() }, ..mine },
    ] {
        assert_eq!(grantor.check(None, &new).unwrap_err().status(), 403, "{new:?}");
    }
}

#[test]
fn keys_are_read_and_changed_by_their_owners_and_managers() {
    let (principal, _) = of_user();
    let mine = KeyFacts { user_id: Some(Arc::from("u1")), ..fixture::key() };
    let other = KeyFacts { digest: crate::auth::digest("sk-2"), user_id: None, ..mine.clone() };
    assert!(
        may_change(&principal, &mine, Standing::Stranger) && may_read(&principal, &mine, Standing::Stranger)
    );
    assert!(
        !may_change(&principal, &other, Standing::Member) && !may_read(&principal, &other, Standing::Member)
    );
    assert!(may_change(&principal, &other, Standing::Admin) && may_read(&principal, &other, Standing::Admin));
    let nobody = fixture::principal(Role::Unknown, fixture::key());
    assert!(may_read(&nobody, &fixture::key(), Standing::Stranger));
    assert!(
        !may_read(&nobody, &other, Standing::Admin) && !may_change(&nobody, &fixture::key(), Standing::Admin)
    );
}
