//! What the documents of keys, users and teams say.

use super::Facts;
use crate::domain::{BudgetTerms, KeyDigest, KeyFacts, Money, TeamFacts, UserFacts, UserRole};
use crate::store::Doc;
use serde_json::Value;
use std::sync::Arc;

impl Facts<'_> {
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

    /// The key of that digest, if this is its document, completed by [`crate::store::Store::complete`].
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

    pub(super) fn user(&self, id: &str) -> UserFacts {
        UserFacts {
            id: Arc::from(id),
            email: self.text("user_email"),
            role: self.text("user_role").and_then(|role| UserRole::from_name(&role)).unwrap_or_default(),
            models: self.texts("models"),
            rates: self.rates(),
            budget: self.budget(false),
        }
    }

    pub(super) fn team(&self, id: &str, member: Option<&Doc>) -> TeamFacts {
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
