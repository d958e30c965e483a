//! The fields of receivers in AlertmanagerConfig objects.

use super::field::{Field, Kind, Version, field};

/// A receiver.
pub const RECEIVER: &[Field] = &[
    field("name", Kind::Own).required(),
    field("discordConfigs", Kind::Sections(DISCORD)),
    field("emailConfigs", Kind::Sections(EMAIL)),
    field("msteamsConfigs", Kind::Sections(TEAMS)),
    field("msteamsv2Configs", Kind::Sections(TEAMS_V2)),
    field("opsgenieConfigs", Kind::Sections(OPSGENIE)),
    field("pagerdutyConfigs", Kind::Sections(PAGERDUTY)),
    field("pushoverConfigs", Kind::Sections(PUSHOVER)),
    field("rocketchatConfigs", Kind::Sections(ROCKETCHAT)),
    field("slackConfigs", Kind::Sections(SLACK)),
    field("snsConfigs", Kind::Sections(SNS)),
    field("telegramConfigs", Kind::Sections(TELEGRAM)),
    field("victoropsConfigs", Kind::Sections(VICTOROPS)),
    field("webexConfigs", Kind::Sections(WEBEX)),
    field("webhookConfigs", Kind::Sections(WEBHOOK)),
    field("wechatConfigs", Kind::Sections(WECHAT)),
];

const SEND_RESOLVED: Field = field("sendResolved", Kind::Flag);
const HTTP_CONFIG: Field = field("httpConfig", Kind::Section(HTTP));

const HTTP: &[Field] = &[
    field("authorization", Kind::Section(&[field("type", Kind::Text), field("credentials", Kind::Secret)])),
    field("basicAuth", Kind::Section(&[field("username", Kind::Secret), field("password", Kind::Secret)])),
    field("bearerTokenSecret", Kind::Secret).named("bearer_token"),
    field("oauth2", Kind::Section(OAUTH2)),
    field("tlsConfig", Kind::Tls),
    field("followRedirects", Kind::Flag),
    field("enableHttp2", Kind::Flag),
    // Of the two the older one counts.
    field("proxyURL", Kind::Text),
    field("proxyUrl", Kind::Text),
    field("noProxy", Kind::Text),
    field("proxyFromEnvironment", Kind::Flag),
    field("proxyConnectHeader", Kind::SecretLists),
];

const OAUTH2: &[Field] = &[
    field("clientId", Kind::Either).required(),
    field("clientSecret", Kind::Secret).required(),
    field("tokenUrl", Kind::Word).required(),
    field("scopes", Kind::Texts),
    field("endpointParams", Kind::Map),
    field("tlsConfig", Kind::Tls),
    field("proxyUrl", Kind::Text),
    field("noProxy", Kind::Text),
    field("proxyFromEnvironment", Kind::Flag),
    field("proxyConnectHeader", Kind::SecretLists),
];

const DISCORD: &[Field] = &[
    SEND_RESOLVED,
    HTTP_CONFIG,
    field("apiURL", Kind::Secret).named("webhook_url").required(),
    field("title", Kind::Text),
    field("message", Kind::Text),
    field("content", Kind::Word),
    field("username", Kind::Word),
    field("avatarURL", Kind::Word),
];

const EMAIL: &[Field] = &[
    SEND_RESOLVED,
    field("to", Kind::Word),
    field("from", Kind::Word).or_global("smtp_from"),
    field("hello", Kind::Word),
    field("smarthost", Kind::Word).or_global("smtp_smarthost"),
    field("authUsername", Kind::Word),
    field("authPassword", Kind::Secret),
    field("authSecret", Kind::Secret),
    field("authIdentity", Kind::Word),
    field("headers", Kind::Pairs),
    field("html", Kind::Text),
    field("text", Kind::Word),
    field("requireTLS", Kind::Flag),
    field("tlsConfig", Kind::Tls),
    field("forceImplicitTLS", Kind::Flag),
    field("threading", Kind::Threading),
];

const TEAMS: &[Field] = &[
    SEND_RESOLVED,
    HTTP_CONFIG,
    field("webhookUrl", Kind::Secret).required(),
    field("title", Kind::Text),
    field("summary", Kind::Text),
    field("text", Kind::Text),
];

const TEAMS_V2: &[Field] = &[
    SEND_RESOLVED,
    HTTP_CONFIG,
    field("webhookURL", Kind::Secret),
    field("title", Kind::Word),
    field("text", Kind::Word),
];

const OPSGENIE: &[Field] = &[
    SEND_RESOLVED,
    HTTP_CONFIG,
    field("apiKey", Kind::Secret).or_global("opsgenie_api_key"),
    field("apiURL", Kind::Word),
    field("message", Kind::Word),
    field("description", Kind::Word),
    field("source", Kind::Word),
    field("tags", Kind::Word),
    field("note", Kind::Word),
    field("priority", Kind::Word),
    field("updateAlerts", Kind::Flag).only(Version::Alpha),
    field("details", Kind::Pairs),
    field("responders", Kind::Sections(RESPONDER)),
    field("entity", Kind::Word),
    field("actions", Kind::Word),
];

const RESPONDER: &[Field] = &[
    field("id", Kind::Word),
    field("name", Kind::Word),
    field("username", Kind::Word),
    field("type", Kind::Word).required(),
];

const PAGERDUTY: &[Field] = &[
    SEND_RESOLVED,
    HTTP_CONFIG,
    field("routingKey", Kind::Secret),
    field("serviceKey", Kind::Secret),
    field("url", Kind::Word),
    field("client", Kind::Word),
    field("clientURL", Kind::Text),
    field("description", Kind::Word),
    field("severity", Kind::Word),
    field("class", Kind::Word),
    field("group", Kind::Word),
    field("component", Kind::Word),
    field("details", Kind::Pairs),
    field("pagerDutyImageConfigs", Kind::Sections(PAGERDUTY_IMAGE)).named("images"),
    field("pagerDutyLinkConfigs", Kind::Sections(PAGERDUTY_LINK)).named("links"),
    field("source", Kind::Word),
    field("timeout", Kind::Word),
];

const PAGERDUTY_IMAGE: &[Field] = &[field("href", Kind::Text), field("src", Kind::Word), field("alt", Kind::Word)];

const PAGERDUTY_LINK: &[Field] = &[field("href", Kind::Text), field("alt", Kind::Word).named("text")];

const PUSHOVER: &[Field] = &[
    SEND_RESOLVED,
    HTTP_CONFIG,
    field("userKey", Kind::Secret),
    field("userKeyFile", Kind::Word),
    field("token", Kind::Secret),
    field("tokenFile", Kind::Word),
    field("title", Kind::Word),
    field("message", Kind::Word),
    field("url", Kind::Text),
    field("urlTitle", Kind::Word),
    field("device", Kind::Word),
    field("sound", Kind::Word),
    field("priority", Kind::Word),
    field("retry", Kind::Word),
    field("expire", Kind::Word),
    field("ttl", Kind::Word),
    field("html", Kind::Flag),
    field("monospace", Kind::Flag),
];

const ROCKETCHAT: &[Field] = &[
    SEND_RESOLVED,
    HTTP_CONFIG,
    field("apiURL", Kind::Word),
    field("channel", Kind::Word),
    field("token", Kind::Secret).required(),
    field("tokenID", Kind::Secret).required(),
    field("color", Kind::Word),
    field("emoji", Kind::Word),
    field("iconURL", Kind::Text),
    field("text", Kind::Word),
    field("title", Kind::Word),
    field("titleLink", Kind::Word),
    field("fields", Kind::Sections(ROCKETCHAT_FIELD)),
    field("shortFields", Kind::Flag),
    field("imageURL", Kind::Text),
    field("thumbURL", Kind::Text),
    field("linkNames", Kind::Flag),
    field("actions", Kind::Sections(ROCKETCHAT_ACTION)),
];

const ROCKETCHAT_FIELD: &[Field] =
    &[field("title", Kind::Word), field("value", Kind::Word), field("short", Kind::Flag)];

const ROCKETCHAT_ACTION: &[Field] = &[field("text", Kind::Word), field("url", Kind::Text), field("msg", Kind::Word)];

const SLACK: &[Field] = &[
    SEND_RESOLVED,
    HTTP_CONFIG,
    field("apiURL", Kind::Secret).or_global("slack_api_url"),
    field("channel", Kind::Word),
    field("username", Kind::Word),
    field("color", Kind::Word),
    field("title", Kind::Word),
    field("titleLink", Kind::Text),
    field("pretext", Kind::Word),
    field("text", Kind::Word),
    field("messageText", Kind::Word),
    field("fields", Kind::Sections(SLACK_FIELD)),
    field("shortFields", Kind::Flag),
    field("footer", Kind::Word),
    field("fallback", Kind::Word),
    field("callbackId", Kind::Word),
    field("iconEmoji", Kind::Word),
    field("iconURL", Kind::Text),
    field("imageURL", Kind::Text),
    field("thumbURL", Kind::Text),
    field("linkNames", Kind::Flag),
    field("mrkdwnIn", Kind::Texts),
    field("actions", Kind::Sections(SLACK_ACTION)),
    field("updateMessage", Kind::Flag),
    field("timeout", Kind::Word),
];

const SLACK_FIELD: &[Field] =
    &[field("title", Kind::Word).required(), field("value", Kind::Word).required(), field("short", Kind::Flag)];

const SLACK_ACTION: &[Field] = &[
    field("type", Kind::Word).required(),
    field("text", Kind::Word).required(),
    field("url", Kind::Text),
    field("style", Kind::Word),
    field("name", Kind::Word),
    field("value", Kind::Word),
    field("confirm", Kind::Section(SLACK_CONFIRM)),
];

const SLACK_CONFIRM: &[Field] = &[
    field("text", Kind::Word).required(),
    field("title", Kind::Word),
    field("okText", Kind::Word),
    field("dismissText", Kind::Word),
];

const SNS: &[Field] = &[
    SEND_RESOLVED,
    HTTP_CONFIG,
    field("apiURL", Kind::Text),
    field("sigv4", Kind::Section(SIGV4)),
    field("topicARN", Kind::Word),
    field("phoneNumber", Kind::Word),
    field("targetARN", Kind::Word),
    field("subject", Kind::Word),
    field("message", Kind::Word),
    field("attributes", Kind::Map),
    field("useAWSHTTPClient", Kind::Flag).named("use_aws_http_client"),
];

const SIGV4: &[Field] = &[
    field("region", Kind::Text),
    field("accessKey", Kind::Secret),
    field("secretKey", Kind::Secret),
    field("profile", Kind::Text),
    field("roleArn", Kind::Text),
    field("externalId", Kind::Word),
    field("useFIPSSTSEndpoint", Kind::Flag).named("use_fips_sts_endpoint"),
];

const TELEGRAM: &[Field] = &[
    SEND_RESOLVED,
    HTTP_CONFIG,
    field("apiURL", Kind::Word),
    field("botToken", Kind::Secret).or_global("telegram_bot_token"),
    field("botTokenFile", Kind::Text),
    field("chatID", Kind::Whole).required(),
    field("messageThreadID", Kind::Whole),
    field("message", Kind::Text),
    field("disableNotifications", Kind::Flag),
    field("parseMode", Kind::Word),
];

const VICTOROPS: &[Field] = &[
    SEND_RESOLVED,
    HTTP_CONFIG,
    field("apiKey", Kind::Secret).or_global("victorops_api_key"),
    field("apiUrl", Kind::Word),
    field("routingKey", Kind::Word).required(),
    field("messageType", Kind::Word),
    field("entityDisplayName", Kind::Word),
    field("stateMessage", Kind::Word),
    field("monitoringTool", Kind::Word),
    field("customFields", Kind::Pairs),
];

const WEBEX: &[Field] = &[
    SEND_RESOLVED,
    HTTP_CONFIG,
    field("apiURL", Kind::Word),
    field("message", Kind::Text),
    field("roomID", Kind::Word).required(),
];

const WEBHOOK: &[Field] = &[
    SEND_RESOLVED,
    HTTP_CONFIG,
    // Of the two the Secret counts.
    field("urlSecret", Kind::Secret).named("url"),
    field("url", Kind::Text),
    field("maxAlerts", Kind::Whole),
    field("timeout", Kind::Word),
    field("payload", Kind::Word),
];

const WECHAT: &[Field] = &[
    SEND_RESOLVED,
    HTTP_CONFIG,
    field("apiSecret", Kind::Secret).or_global("wechat_api_secret"),
    field("apiURL", Kind::Word),
    field("corpID", Kind::Word).or_global("wechat_api_corp_id"),
    field("agentID", Kind::Word),
    field("toUser", Kind::Word),
    field("toParty", Kind::Word),
    field("toTag", Kind::Word),
    field("message", Kind::Word),
    field("messageType", Kind::Word),
];
