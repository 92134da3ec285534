--
-- The tables of a computer-vision platform, as an application would write them: projects, datasets
-- with their images and annotations, models with their training history, deployments.
--
-- Run it in a database with the extension, as the role that is to own the tables; that role needs
-- account.grant_service. Then let your backend in:
--
--     GRANT USAGE ON SCHEMA vision TO app;
--     GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA vision TO app;
--
-- Each table says which workspace a row belongs to, and each reference takes the workspace along, so
-- that nothing can be filed under something of another workspace. UNIQUE (workspace_id, id) is what
-- such references point at, and the index by which row security reads.
--
CREATE SCHEMA vision;
COMMENT ON SCHEMA vision IS 'A computer-vision platform on top of account.';

CREATE TABLE vision.projects (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description  text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, id),
    UNIQUE (workspace_id, name)
);

-- A dataset may stand on its own, or go with a project.
CREATE TABLE vision.datasets (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    project_id   uuid,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    task         text NOT NULL CHECK (task IN ('detect', 'segment', 'classify', 'pose', 'obb')),
    classes      text[] NOT NULL DEFAULT '{}',
    bytes        bigint NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, id),
    UNIQUE (workspace_id, name),
    FOREIGN KEY (workspace_id, project_id) REFERENCES vision.projects (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX ON vision.datasets (workspace_id, project_id);
COMMENT ON COLUMN vision.datasets.bytes IS 'Of its images; the upload adds to it, and the workspace''s storage follows.';

-- Images and annotations are no resources: there are millions, and nobody asks for one in the trash.
-- They go there with their dataset and come back with it.
CREATE TABLE vision.images (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id uuid NOT NULL,
    dataset_id   uuid NOT NULL,
    split        text NOT NULL DEFAULT 'train' CHECK (split IN ('train', 'val', 'test')),
    file_name    text NOT NULL,
    sha256       bytea NOT NULL CHECK (length(sha256) = 32),
    width        integer NOT NULL CHECK (width > 0),
    height       integer NOT NULL CHECK (height > 0),
    bytes        bigint NOT NULL CHECK (bytes > 0),
    UNIQUE (workspace_id, id),
    UNIQUE (workspace_id, dataset_id, file_name),
    FOREIGN KEY (workspace_id, dataset_id) REFERENCES vision.datasets (workspace_id, id) ON DELETE CASCADE
);

CREATE TABLE vision.annotations (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id uuid NOT NULL,
    image_id     bigint NOT NULL,
    class        integer NOT NULL CHECK (class >= 0),
    bounds       box NOT NULL,
    outline      polygon,
    FOREIGN KEY (workspace_id, image_id) REFERENCES vision.images (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX ON vision.annotations (workspace_id, image_id);

-- A model goes with its project, or stands on its own when project_id is null. It outlives the dataset
-- it was trained on, so that is no foreign key; restored, a dataset has the id it had.
CREATE TABLE vision.models (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    project_id   uuid,
    trained_on   uuid,
    made_by      uuid REFERENCES account_data.users (id) ON DELETE SET NULL,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    base         text NOT NULL,
    settings     jsonb NOT NULL DEFAULT '{}',
    bytes        bigint NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, id),
    UNIQUE NULLS NOT DISTINCT (workspace_id, project_id, name),
    FOREIGN KEY (workspace_id, project_id) REFERENCES vision.projects (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX ON vision.models (made_by);

CREATE TABLE vision.epochs (
    workspace_id uuid NOT NULL,
    model_id     uuid NOT NULL,
    epoch        integer NOT NULL CHECK (epoch > 0),
    box_loss     real NOT NULL,
    map50        real NOT NULL CHECK (map50 BETWEEN 0 AND 1),
    seconds      real NOT NULL,
    PRIMARY KEY (workspace_id, model_id, epoch),
    FOREIGN KEY (workspace_id, model_id) REFERENCES vision.models (workspace_id, id) ON DELETE CASCADE
);

CREATE TABLE vision.deployments (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id uuid NOT NULL REFERENCES account_data.workspaces (id) ON DELETE CASCADE,
    model_id     uuid NOT NULL,
    name         text NOT NULL CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
    region       text NOT NULL DEFAULT 'us',
    replicas     integer NOT NULL DEFAULT 1 CHECK (replicas BETWEEN 0 AND 100),
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, name),
    FOREIGN KEY (workspace_id, model_id) REFERENCES vision.models (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX ON vision.deployments (workspace_id, model_id);

-- What has a name in the trash, in the feed and in the plan's limits. Each gets policies: viewers read,
-- editors write. Register the tables last: what hangs on them is found by its foreign keys.
SELECT account.register_resource('vision.projects', 'project');
SELECT account.register_resource('vision.datasets', 'dataset', size_column => 'bytes', category => 'datasets');
SELECT account.register_resource('vision.models', 'model', size_column => 'bytes', category => 'models');
SELECT account.register_resource('vision.deployments', 'deployment');

-- The tables that hang on them have policies of the same kind.
ALTER TABLE vision.images ENABLE ROW LEVEL SECURITY;
ALTER TABLE vision.annotations ENABLE ROW LEVEL SECURITY;
ALTER TABLE vision.epochs ENABLE ROW LEVEL SECURITY;
CREATE POLICY readers ON vision.images FOR SELECT USING (account.has_role(workspace_id, 'viewer'));
CREATE POLICY writers ON vision.images USING (account.has_role(workspace_id, 'editor'));
CREATE POLICY readers ON vision.annotations FOR SELECT USING (account.has_role(workspace_id, 'viewer'));
CREATE POLICY writers ON vision.annotations USING (account.has_role(workspace_id, 'editor'));
CREATE POLICY readers ON vision.epochs FOR SELECT USING (account.has_role(workspace_id, 'viewer'));
CREATE POLICY writers ON vision.epochs USING (account.has_role(workspace_id, 'editor'));
