//! Label names, and the values one event has for all of them.
//!
//! A family lists the labels it has; an event fills one [`LabelSet`] and every family picks its own.

/// A label of at least one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    ApiBase,
    ApiKeyAlias,
    ApiProvider,
    /// The sink of finished calls (`otel`).
    CallbackName,
    ClientIp,
    EndUser,
    Endpoint,
    ExceptionClass,
    ExceptionStatus,
    /// The group that a call was served by instead.
    FallbackModel,
    HashedApiKey,
    /// Which one of a kind.
    Id,
    /// `requests`, `tokens` or `parallel`.
    Kind,
    LitellmModelName,
    /// The provider's model without its prefix (`glm-5.1`).
    Model,
    ModelGroup,
    ModelId,
    OrgAlias,
    OrgId,
    /// Also called `model`, but with the provider's prefix (`openai/glm-5.1`).
    PrefixedModel,
    Reason,
    RequestedModel,
    Result,
    Route,
    /// What kind of thing a budget or limit belongs to (`key`).
    Scope,
    Source,
    StatusCode,
    Team,
    TeamAlias,
    User,
    UserAgent,
    UserEmail,
    Version,
}

const COUNT: usize = Label::Version as usize + 1;

/// What a label says when there is nothing to say.
pub(super) const NONE: &str = "None";

/// What a label says for values that may not have a series of their own.
pub(super) const OTHER: &str = "other";

impl Label {
    /// The name as exposed.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ApiBase => "api_base",
            Self::ApiKeyAlias => "api_key_alias",
            Self::ApiProvider => "api_provider",
            Self::CallbackName => "callback_name",
            Self::ClientIp => "client_ip",
            Self::EndUser => "end_user",
            Self::Endpoint => "endpoint",
            Self::ExceptionClass => "exception_class",
            Self::ExceptionStatus => "exception_status",
            Self::FallbackModel => "fallback_model",
            Self::HashedApiKey => "hashed_api_key",
            Self::Id => "id",
            Self::Kind => "kind",
            Self::LitellmModelName => "litellm_model_name",
            Self::Model | Self::PrefixedModel => "model",
            Self::ModelGroup => "model_group",
            Self::ModelId => "model_id",
            Self::OrgAlias => "org_alias",
            Self::OrgId => "org_id",
            Self::Reason => "reason",
            Self::RequestedModel => "requested_model",
            Self::Result => "result",
            Self::Route => "route",
            Self::Scope => "scope",
            Self::Source => "source",
            Self::StatusCode => "status_code",
            Self::Team => "team",
            Self::TeamAlias => "team_alias",
            Self::User => "user",
            Self::UserAgent => "user_agent",
            Self::UserEmail => "user_email",
            Self::Version => "version",
        }
    }
}

/// One event's value for every label; [`NONE`] where it has none.
#[derive(Clone, Debug)]
pub(super) struct LabelSet<'a>([&'a str; COUNT]);

impl<'a> LabelSet<'a> {
    pub(super) const fn new() -> Self {
        Self([NONE; COUNT])
    }

    pub(super) const fn with(mut self, label: Label, value: &'a str) -> Self {
        self.0[label as usize] = value;
        self
    }

    pub(super) const fn get(&self, label: Label) -> &'a str {
        self.0[label as usize]
    }
}
