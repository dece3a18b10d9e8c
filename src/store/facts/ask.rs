//! Reads documents with the budgets that they name.

use super::Facts;
use crate::domain::{
    BudgetTerms, CustomerFacts, MemberFacts, OrganizationFacts, RateTerms, TeamFacts, UserFacts,
};
use crate::store::db::{Store, StoreError};
use crate::store::table::{BUDGETS, CUSTOMERS, Doc, MEMBERS, ORGANIZATIONS, TEAMS, Table, USERS};
use serde_json::Value;
use std::sync::Arc;

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

    /// What holds for one user within one team ([`crate::store::member_id`]): its own terms, completed by what the team gives each
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

    pub(in crate::store) async fn with_budget(
        &self,
        table: &Table,
        id: &str,
    ) -> Result<Option<Doc>, StoreError> {
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
