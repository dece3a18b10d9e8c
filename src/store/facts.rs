//! From documents to what a request needs to know.

use super::db::{Store, StoreError};
use super::table::{BUDGETS, CUSTOMERS, Doc, MEMBERS, ORGANIZATIONS, TEAMS, Table, USERS};
use crate::domain::{
    BudgetTerms, CustomerFacts, KeyDigest, KeyFacts, MemberFacts, Money, OrganizationFacts, Period,
    RateTerms, TeamFacts, UserFacts, UserRole,
};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;

/// Reads one value of a document; a wrong type is as if it were absent.
pub struct Facts<'a>(pub &'a Doc);

impl Facts<'_> {
    /// A text that is not empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Arc<str>> {
        self.0.get(name)?.as_str().filter(|text| !text.is_empty()).map(Arc::from)
    }

    /// A list of texts.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<Arc<str>> {
        let list = self.0.get(name).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(Arc::from).collect()
    }

    /// A truth; false if absent.
    #[must_use]
    pub fn truth(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A whole number, also one written as a float.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    pub fn count(&self, name: &str) -> Option<u64> {
        let value = self.0.get(name)?;
        value.as_u64().or_else(|| value.as_f64().filter(|n| (0.0..1e15).contains(n)).map(|n| n as u64))
    }

    /// Dollars.
    #[must_use]
    pub fn money(&self, name: &str) -> Option<Money> {
        self.0.get(name)?.as_f64().and_then(Money::from_dollars)
    }

    /// A time in ISO form, in unix milliseconds.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_str()?.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
    }

    /// An object.
    #[must_use]
    pub fn object(&self, name: &str) -> Option<&Doc> {
        self.0.get(name)?.as_object()
    }

    /// Limits on speed.
    #[must_use]
    pub fn rates(&self) -> RateTerms {
        RateTerms {
            rpm: self.count("rpm_limit"),
            tpm: self.count("tpm_limit"),
            parallel: self.count("max_parallel_requests"),
        }
    }

    /// The budget. `anchored` is for those whose periods run from their first day, not by the calendar.
    #[must_use]
    pub fn budget(&self, anchored: bool) -> BudgetTerms {
        let metadata = self.object("metadata").map(Facts);
        let increase = metadata
            .as_ref()
            .and_then(|own| Some((own.money("temp_budget_increase")?, own.time("temp_budget_expiry")?)));
        BudgetTerms {
            max: self.money("max_budget"),
            soft: self.money("soft_budget"),
            period: self.period("budget_duration"),
            anchor: if anchored { self.time("budget_reset_at") } else { None },
            increase,
        }
    }

    fn period(&self, name: &str) -> Option<Period> {
        self.0.get(name)?.as_str()?.parse().ok()
    }

    /// Limits on speed for single models, kept as `model_rpm_limit` and its like here or in the metadata.
    #[must_use]
    pub fn model_rates(&self) -> Vec<(Arc<str>, RateTerms)> {
        let mut found: Vec<(Arc<str>, RateTerms)> = Vec::new();
        let places = [Some(self.0), self.object("metadata")];
        for place in places.into_iter().flatten() {
            for (name, set) in [
                ("model_rpm_limit", (|rates, n| rates.rpm = Some(n)) as fn(&mut RateTerms, u64)),
                ("model_tpm_limit", |rates, n| rates.tpm = Some(n)),
            ] {
                for (model, limit) in place.get(name).and_then(Value::as_object).into_iter().flatten() {
                    let Some(limit) = limit.as_u64() else { continue };
                    let at = found.iter().position(|(known, _)| **known == **model).unwrap_or_else(|| {
                        found.push((Arc::from(model.as_str()), RateTerms::default()));
                        found.len() - 1
                    });
                    set(&mut found[at].1, limit);
                }
            }
        }
        found
    }

    /// `budget_limits`: further budgets, each with its duration as slot.
    fn windows(&self) -> Vec<(Arc<str>, BudgetTerms)> {
        let list = self.0.get("budget_limits").and_then(Value::as_array);
        let read = |entry: &Value| {
            let entry = Facts(entry.as_object()?);
            Some((entry.text("budget_duration")?, entry.budget(false)))
        };
        list.into_iter().flatten().filter_map(read).collect()
    }

    /// `model_max_budget`: `{"gpt-4o": {"budget_limit": 5, "time_period": "1d"}}`, or `{"gpt-4o": 5}`.
    fn model_budgets(&self) -> Vec<(Arc<str>, BudgetTerms)> {
        let read = |value: &Value| match value {
            Value::Object(terms) => {
                let terms = Facts(terms);
                Some(BudgetTerms {
                    max: terms.money("budget_limit").or_else(|| terms.money("max_budget")),
                    period: terms.period("time_period").or_else(|| terms.period("budget_duration")),
                    ..BudgetTerms::default()
                })
            }
            number => {
                let max = number.as_f64().and_then(Money::from_dollars)?;
                Some(BudgetTerms { max: Some(max), ..BudgetTerms::default() })
            }
        };
        let budgets = self.object("model_max_budget").into_iter().flatten();
        budgets.filter_map(|(model, value)| Some((Arc::from(model.as_str()), read(value)?))).collect()
    }

    fn aliases(&self, name: &str) -> Vec<(Arc<str>, Arc<str>)> {
        let pairs = self.object(name).into_iter().flatten();
        pairs.filter_map(|(from, to)| Some((Arc::from(from.as_str()), Arc::from(to.as_str()?)))).collect()
    }

    fn tags(&self) -> Vec<Arc<str>> {
        self.object("metadata").map(|metadata| Facts(metadata).texts("tags")).unwrap_or_default()
    }

    fn client_tags(&self) -> bool {
        self.object("metadata").is_some_and(|metadata| Facts(metadata).truth("allow_client_tags"))
    }

    /// The key of that digest, if this is its document, completed by [`Store::complete`].
    #[must_use]
    pub fn key(&self, digest: KeyDigest) -> KeyFacts {
        let permissions = self.object("permissions").map(Facts);
        let metadata = self.object("metadata").map(Facts);
        let ips = metadata.map(|own| own.texts("allowed_ips")).unwrap_or_default();
        KeyFacts {
            digest,
            name: self.text("key_name").unwrap_or_else(|| Arc::from("sk-...")),
            alias: self.text("key_alias"),
            user_id: self.text("user_id"),
            team_id: self.text("team_id"),
            organization_id: self.text("organization_id"),
            models: self.texts("models"),
            aliases: self.aliases("aliases"),
            expires: self.time("expires"),
            blocked: self.truth("blocked"),
            rates: self.rates(),
            model_rates: self.model_rates(),
            budget: self.budget(false),
            windows: self.windows(),
            model_budgets: self.model_budgets(),
            allowed_routes: self.texts("allowed_routes"),
            reads_spend: permissions.is_some_and(|own| own.truth("get_spend_routes")),
            allowed_ips: ips.iter().filter_map(|ip| ip.parse().ok()).collect(),
            tags: self.tags(),
            queue: self.queue(),
            client_tags: self.client_tags(),
        }
    }

    fn user(&self, id: &str) -> UserFacts {
        UserFacts {
            id: Arc::from(id),
            email: self.text("user_email"),
            role: self.text("user_role").and_then(|role| UserRole::from_name(&role)).unwrap_or_default(),
            models: self.texts("models"),
            rates: self.rates(),
            budget: self.budget(false),
        }
    }

    fn team(&self, id: &str, member: Option<&Doc>) -> TeamFacts {
        let members = self.0.get("members_with_roles").and_then(Value::as_array).into_iter().flatten();
        let admins = members.filter_map(|entry| {
            let entry = Facts(entry.as_object()?);
            (entry.text("role").as_deref() == Some("admin")).then(|| entry.text("user_id")).flatten()
        });
        let member = member.map(Facts);
        TeamFacts {
            id: Arc::from(id),
            alias: self.text("team_alias"),
            organization_id: self.text("organization_id"),
            models: self.texts("models"),
            aliases: self.aliases("model_aliases"),
            blocked: self.truth("blocked"),
            admins: admins.chain(self.texts("admins")).collect(),
            rates: self.rates(),
            model_rates: self.model_rates(),
            budget: self.budget(false),
            member_rates: member.as_ref().map(Facts::rates).unwrap_or_default(),
            member_budget: member.map(|own| own.budget(false)).unwrap_or_default(),
            tags: self.tags(),
            queue: self.queue(),
            client_tags: self.client_tags(),
        }
    }
}

impl Store {
    /// The user of that id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn user_facts(&self, id: &str) -> Result<Option<UserFacts>, StoreError> {
        Ok(self.with_budget(&USERS, id).await?.map(|doc| Facts(&doc).user(id)))
    }

    /// The team of that id, with what holds for each of its members (`team_member_budget_id` in its metadata).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn team_facts(&self, id: &str) -> Result<Option<TeamFacts>, StoreError> {
        let Some(doc) = self.with_budget(&TEAMS, id).await? else { return Ok(None) };
        let member = Facts(&doc).object("metadata").and_then(|own| Facts(own).text("team_member_budget_id"));
        let member = match member {
            Some(budget) => self.get(&BUDGETS, &budget).await?,
            None => None,
        };
        Ok(Some(Facts(&doc).team(id, member.as_ref())))
    }

    /// What holds for one user within one team ([`member_id`]): its own terms, completed by what the team gives each
    /// member. `None` if neither says anything.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn member_facts(&self, id: &str) -> Result<Option<MemberFacts>, StoreError> {
        let (_, team) = id.split_once('\n').unwrap_or_default();
        let given = self.team_facts(team).await?;
        let given = given.map(|team| MemberFacts { rates: team.member_rates, budget: team.member_budget });
        let Some(doc) = self.with_budget(&MEMBERS, id).await? else {
            return Ok(given.filter(|given| *given != MemberFacts::default()));
        };
        let (rates, budget) = (Facts(&doc).rates(), Facts(&doc).budget(false));
        let given = given.unwrap_or_default();
        Ok(Some(MemberFacts {
            rates: RateTerms {
                rpm: rates.rpm.or(given.rates.rpm),
                tpm: rates.tpm.or(given.rates.tpm),
                parallel: rates.parallel.or(given.rates.parallel),
            },
            budget: if budget.max.is_some() { budget } else { given.budget },
        }))
    }

    /// The end user of that id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn customer_facts(&self, id: &str) -> Result<Option<CustomerFacts>, StoreError> {
        let doc = self.with_budget(&CUSTOMERS, id).await?;
        Ok(doc.map(|doc| {
            let facts = Facts(&doc);
            CustomerFacts {
                id: Arc::from(id),
                blocked: facts.truth("blocked"),
                default_model: facts.text("default_model"),
                rates: facts.rates(),
                budget: facts.budget(true),
            }
        }))
    }

    /// The limits that a row of budgets says. Its periods follow the calendar.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn budget_terms(&self, id: &str) -> Result<Option<(RateTerms, BudgetTerms)>, StoreError> {
        let doc = self.get(&BUDGETS, id).await?;
        Ok(doc.map(|doc| (Facts(&doc).rates(), Facts(&doc).budget(false))))
    }

    /// The organization of that id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn organization_facts(&self, id: &str) -> Result<Option<OrganizationFacts>, StoreError> {
        let doc = self.with_budget(&ORGANIZATIONS, id).await?;
        Ok(doc.map(|doc| {
            let facts = Facts(&doc);
            OrganizationFacts {
                id: Arc::from(id),
                alias: facts.text("organization_alias"),
                models: facts.texts("models"),
                rates: facts.rates(),
                budget: facts.budget(false),
            }
        }))
    }

    pub(super) async fn with_budget(&self, table: &Table, id: &str) -> Result<Option<Doc>, StoreError> {
        let Some(mut doc) = self.get(table, id).await? else { return Ok(None) };
        self.complete(&mut doc).await?;
        Ok(Some(doc))
    }

    /// Completes the limits of a document by the budget it names; its own come first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn complete(&self, doc: &mut Doc) -> Result<(), StoreError> {
        let Some(budget) = Facts(doc).text("budget_id") else { return Ok(()) };
        let terms = self.get(&BUDGETS, &budget).await?.unwrap_or_default();
        for name in BUDGET_FIELDS {
            let unset = doc.get(name).is_none_or(Value::is_null);
            if let (true, Some(value)) = (unset, terms.get(name)) {
                doc.insert(name.to_owned(), value.clone());
            }
        }
        Ok(())
    }
}

/// The id of a user within a team.
#[must_use]
pub fn member_id(user: &str, team: &str) -> String {
    [user, "\n", team].concat()
}

const BUDGET_FIELDS: [&str; 8] = [
    "max_budget",
    "soft_budget",
    "max_parallel_requests",
    "tpm_limit",
    "rpm_limit",
    "model_max_budget",
    "budget_duration",
    "budget_reset_at",
];
