-- Functions, their versions and aliases, and what hangs on them.

CREATE TABLE changes (number BIGINT NOT NULL);
INSERT INTO changes VALUES (0);

-- What an account holds in a Region, kept by every change so that no request counts rows.
CREATE TABLE usage (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    functions BIGINT NOT NULL,
    code_size BIGINT NOT NULL,
    reserved_concurrency BIGINT NOT NULL,
    PRIMARY KEY (account_id, region)
);

-- `shown` is the configuration that GetFunction shows, `serving` the one that invocations get (NULL until the function
-- has been created). Both are JSON documents. `function_id` is the number of the change that made the function.
CREATE TABLE functions (
    function_id BIGINT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    state_reason TEXT,
    state_reason_code TEXT,
    update_status TEXT,
    update_status_reason TEXT,
    update_status_reason_code TEXT,
    revision_id TEXT NOT NULL,
    shown TEXT NOT NULL,
    serving TEXT,
    shown_package TEXT NOT NULL,
    serving_package TEXT,
    last_version INTEGER NOT NULL,
    reserved_concurrency INTEGER,
    UNIQUE (account_id, region, name)
);

CREATE INDEX functions_unfinished ON functions (function_id) WHERE state = 'Pending' OR update_status = 'InProgress';
CREATE INDEX functions_shown_package ON functions (shown_package);
CREATE INDEX functions_serving_package ON functions (serving_package);

-- `edition` is the deployment of $LATEST that the version was published from.
CREATE TABLE versions (
    function_id BIGINT NOT NULL REFERENCES functions ON DELETE CASCADE,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    state_reason TEXT,
    state_reason_code TEXT,
    revision_id TEXT NOT NULL,
    edition TEXT NOT NULL,
    configuration TEXT NOT NULL,
    package TEXT NOT NULL,
    PRIMARY KEY (function_id, version)
);

CREATE INDEX versions_edition ON versions (function_id, edition);
CREATE INDEX versions_package ON versions (package);

CREATE TABLE aliases (
    function_id BIGINT NOT NULL REFERENCES functions ON DELETE CASCADE,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    description TEXT NOT NULL,
    additional_version TEXT,
    additional_weight DOUBLE PRECISION,
    revision_id TEXT NOT NULL,
    PRIMARY KEY (function_id, name)
);

CREATE INDEX aliases_version ON aliases (function_id, version);
CREATE INDEX aliases_additional_version ON aliases (function_id, additional_version);

CREATE TABLE tags (
    function_id BIGINT NOT NULL REFERENCES functions ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (function_id, name)
);

-- The qualifier of a function's own policy is ''. `statements` is a JSON list in the order of insertion.
CREATE TABLE policies (
    function_id BIGINT NOT NULL REFERENCES functions ON DELETE CASCADE,
    qualifier TEXT NOT NULL,
    revision_id TEXT NOT NULL,
    statements TEXT NOT NULL,
    PRIMARY KEY (function_id, qualifier)
);
