//! What must not compile, and what the compiler says then.

#[test]
fn what_cannot_travel_does_not_compile() {
    let cases = trybuild::TestCases::new();
    // One that passes has the others built, not only checked: captures are found when code is generated.
    cases.pass("tests/ui/ok.rs");
    cases.compile_fail("tests/ui/captures.rs");
    cases.compile_fail("tests/ui/wrong_arguments.rs");
    cases.compile_fail("tests/ui/attributes.rs");
    cases.compile_fail("tests/ui/not_plain.rs");
    cases.compile_fail("tests/ui/guard_leaves.rs");
}
