-- The operator's network, and the handsets seen on it. An event's location_id is the id of a cell.
-- The versions of one cell or site must not overlap in time, or its events count more than once.

CREATE SCHEMA infrastructure;

CREATE TABLE infrastructure.sites (
    site_id               bigserial PRIMARY KEY,
    id                    text,
    version               integer,
    name                  text,
    type                  text,
    status                text,
    structure_type        text,
    is_cow                boolean,  -- "cell on wheels"
    date_of_first_service date,
    date_of_last_service  date,
    geom_point            geometry (Point, 4326),
    geom_polygon          geometry (MultiPolygon, 4326),
    UNIQUE (id, version)
);
CREATE INDEX ON infrastructure.sites USING gist (geom_point);
CREATE INDEX ON infrastructure.sites USING gist (geom_polygon);

CREATE TABLE infrastructure.cells (
    cell_id               bigserial PRIMARY KEY,
    id                    text,
    version               integer,
    site_id               text,  -- infrastructure.sites.id
    name                  text,
    type                  text,
    msc                   text,
    bsc_rnc               text,
    antenna_type          text,
    status                text,
    lac                   text,
    height                numeric,
    azimuth               numeric,
    transmitter           text,
    max_range             numeric,
    min_range             numeric,
    electrical_tilt       numeric,
    mechanical_downtilt   numeric,
    date_of_first_service date,
    date_of_last_service  date,
    geom_point            geometry (Point, 4326),
    geom_polygon          geometry (MultiPolygon, 4326),
    UNIQUE (id, version)
);
CREATE INDEX ON infrastructure.cells (site_id);
CREATE INDEX ON infrastructure.cells USING gist (geom_point);
CREATE INDEX ON infrastructure.cells USING gist (geom_polygon);

-- Every column is a handset characteristic that FlowMachine can be asked for.
CREATE TABLE infrastructure.tacs (
    id                        numeric PRIMARY KEY,
    brand                     text,
    model                     text,
    hnd_type                  text,  -- Smart, Feature or Basic
    width                     numeric,
    height                    numeric,
    depth                     numeric,
    weight                    numeric,
    display_type              text,
    display_colors            boolean,
    display_width             numeric,
    display_height            numeric,
    mms_receiver              boolean,
    mms_built_in_camera       boolean,
    hardware_gprs             boolean,
    hardware_edge             boolean,
    hardware_umts             boolean,
    hardware_wifi             boolean,
    hardware_bluetooth        boolean,
    hardware_gps              boolean,
    software_os_vendor        text,
    software_os_name          text,
    software_os_version       text,
    j2me_midp_10              boolean,
    j2me_midp_20              boolean,
    j2me_midp_21              boolean,
    j2me_cldc_10              boolean,
    j2me_cldc_11              boolean,
    j2me_cldc_20              boolean,
    syncml_dm_acc_gprs        boolean,
    syncml_dm_app_bookmark    boolean,
    syncml_dm_app_browser     boolean,
    syncml_dm_app_internet    boolean,
    syncml_dm_app_java        boolean,
    syncml_dm_app_mms         boolean,
    syncml_dm_settings        boolean,
    wap_1_2_1                 boolean,
    wap_2_0                   boolean,
    wap_push_oma_app_browser  boolean,
    wap_push_oma_app_ims      boolean,
    wap_push_oma_app_internet boolean,
    wap_push_oma_app_mms      boolean,
    wap_push_oma_app_poc      boolean,
    wap_push_oma_cp_bookmarks boolean,
    wap_push_oma_settings     boolean,
    wap_push_ota_app_browser  boolean,
    wap_push_ota_app_internet boolean,
    wap_push_ota_app_mms      boolean,
    wap_push_ota_bookmarks    boolean,
    wap_push_ota_multi_shot   boolean,
    wap_push_ota_settings     boolean,
    wap_push_ota_single_shot  boolean,
    wap_push_ota_support      boolean
);
