/// 100 KiB, which every two hundredth message carries.
pub const LONG: &str = "0123456789abcdef";
pub const LONG_TIMES: usize = 6400;

/// What is hard to carry as it is.
pub const TEXTS: &[&str] = &[
    "plain",
    "",
    " ",
    "\"quoted\" and \\backslashed\\ \\u0041 \\\"",
    "lines\r\n\tand tabs\n",
    "\u{0}\u{1}\u{8}\u{c}\u{1f}\u{7f}",
    "\u{2028}\u{2029}\u{feff}\u{85}",
    "äöü ß é e\u{301} Ω Ж 漢字",
    "👩‍👩‍👧‍👦 🇳🇱 \u{10ffff}",
    "שלום \u{202e}abc",
    "null",
    "{\"__proto__\":{\"polluted\":true}}",
    "$1 %s {0} <b>&amp;</b> '; -- #",
    "12345678901234567890123456789012345678901234567890",
    "a long text, a long text, a long text, a long text, a long text, a long text, a long text, a long text",
];
