//! A server under full load while keys are revoked: the short form of `make soak`.

use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_full_load_with_keys_being_revoked_every_table_is_empty_and_the_record_whole() {
    match crate::support::soak::soak(Duration::from_secs(3), 8).await {
        Ok(report) => {
            assert!(
                report.requests > 500 && report.revocations > 10,
                "{report:?}"
            );
            for status in [200, 401, 403, 429] {
                assert!(report.answers.contains_key(&status), "{status}: {report:?}");
            }
        }
        Err(wrong) => panic!("{wrong}"),
    }
}
