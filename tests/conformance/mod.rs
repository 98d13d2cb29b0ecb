//! One suite of API behaviour for the real kube-apiserver and the embedded cluster.
//!
//! The real one is the truth, with the operator's definitions of two releases; the embedded one is
//! kept honest by passing the same cases.

mod apply;
mod delete;
mod edges;
mod kinds;
mod objects;
mod patch;
mod status;
mod watch;
mod world;

use flinkops::sim::{OperatorMode, Options, Sim};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::real::{self, Operator};
use world::World;

async fn real_world(operator: Operator) -> Option<World> {
    let cluster = real::cluster(operator).await?;
    let namespace = cluster.namespace().await.expect("a fresh namespace");
    Some(World::new(cluster.admin().await.expect("a client"), namespace, None))
}

fn embedded(operator: OperatorMode) -> Sim {
    Sim::start(Options { operator, ..Options::without_controllers() })
}

fn embedded_world(operator: OperatorMode) -> World {
    let sim = embedded(operator);
    World::new(sim.client(), "test", Some(sim))
}

/// The embedded cluster as another process sees it: by a socket and a kubeconfig.
async fn served_world() -> World {
    let sim = embedded(OperatorMode::default());
    let address = sim.listen(([127, 0, 0, 1], 0).into()).await.expect("a free port");
    let kubeconfig = Kubeconfig::from_yaml(&Sim::kubeconfig(address)).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let client = Client::try_from(config.expect("a configuration")).expect("a client");
    World::new(client, "test", Some(sim))
}

/// Makes one test per case and server.
macro_rules! suite {
    ($($room:ident: $($case:ident)*;)*) => {
        mod operator_1_7 { $($(suite!(@real $room $case V1_7);)*)* }
        mod operator_1_10 { $($(suite!(@real $room $case V1_10);)*)* }
        mod embedded_1_7 {
            $($(suite!(@embedded $room $case super::embedded_world(super::OperatorMode::V1_7));)*)*
        }
        mod embedded_1_15 {
            $($(suite!(@embedded $room $case super::embedded_world(super::OperatorMode::V1_15));)*)*
        }
        mod embedded_by_socket { $($(suite!(@embedded $room $case super::served_world().await);)*)* }
    };
    (@real $room:ident $case:ident $operator:ident) => {
        #[tokio::test]
        async fn $case() {
            if let Some(world) = super::real_world(super::Operator::$operator).await {
                super::$room::$case(&world).await;
            }
        }
    };
    (@embedded $room:ident $case:ident $world:expr) => {
        #[tokio::test]
        async fn $case() {
            super::$room::$case(&$world).await;
        }
    };
}

suite! {
    objects:
        create_fills_in_what_the_server_owns
        create_refuses_a_name_that_exists
        get_refuses_a_name_that_does_not_exist
        create_refuses_another_namespace
        create_writes_integral_numbers_without_fraction
        unknown_fields_are_pruned
        strict_validation_refuses_unknown_fields
        a_wrong_type_is_refused
        replace_needs_the_current_version
        replace_that_changes_nothing_keeps_the_version
        generate_name_makes_a_name
        lists_hold_what_labels_select
        lists_come_in_pages
        names_and_labels_are_checked
        update_managers_own_what_they_wrote;
    patch:
        merge_patch_changes_sets_and_removes
        merge_patch_replaces_lists
        merge_patch_with_a_stale_version_conflicts
        merge_patch_that_changes_nothing_keeps_the_version
        merge_patch_refuses_a_missing_object
        merge_patch_prunes_unknown_fields
        merge_patch_moves_ownership
        strategic_merge_patch_is_for_built_in_kinds
        generation_counts_spec_changes_only
        dry_run_writes_nothing;
    status:
        status_is_written_apart
        status_has_its_own_managed_fields;
    apply:
        apply_creates_and_owns
        apply_conflicts_and_forces
        apply_shares_equal_values
        apply_removes_what_it_no_longer_names
        apply_owns_each_configuration_key
        apply_conflicts_with_an_update
        apply_again_changes_nothing
        apply_refuses_undeclared_fields
        apply_refuses_a_wrong_type
        apply_of_a_config_map_owns_each_key
        apply_with_a_stale_version_conflicts;
    watch:
        a_watch_goes_on_from_a_version
        a_watch_without_version_starts_with_what_is_there
        a_watch_of_a_selection_deletes_what_leaves_it
        a_watch_sends_bookmarks
        a_watch_ends_after_its_timeout
        a_watch_from_a_compacted_version_is_gone;
    kinds:
        discovery_names_the_kinds
        leases_are_compared_and_swapped
        events_are_kept
        companions_are_applied;
    edges:
        nulls_are_dropped
        a_replacement_names_its_object_and_version
        identity_cannot_be_patched
        a_conflict_is_told_before_a_wrong_value
        an_immutable_config_map_keeps_its_data
        config_map_data_is_text
        finalizers_and_owners_are_owned_one_by_one
        a_scale_is_owned_only_where_the_number_was_set_before;
    delete:
        delete_removes_at_once
        delete_waits_for_finalizers
        delete_checks_its_preconditions
        delete_refuses_a_missing_object
        no_finalizer_is_added_to_a_deleting_object;
}
