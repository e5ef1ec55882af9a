//! What the `main` of most test programs begins with.

/// Joins the family; and from now on, whoever hangs is told who in it waits for what.
pub(crate) fn begin() {
    procession::init();
    procession_testing::explain_with(|| {
        format!("{:?}", procession::family::waits().map(|waits| waits.to_string()))
    });
}
