//! [`Flavor`]: what one kind of markup writes where. The kinds differ in this table alone.
//!
//! Names in ‹› stand for texts that the writer fills in.

/// Texts before and behind another.
pub(super) type Around = (&'static str, &'static str);

/// How a paragraph is written.
#[derive(Debug)]
pub(super) struct Style {
    /// What comes first; it takes no room in the line.
    pub(super) above: &'static str,
    /// What the first line begins with.
    pub(super) before: &'static str,
    /// What further lines begin with.
    pub(super) hang: &'static str,
    /// What comes last.
    pub(super) after: &'static str,
}

const fn style(above: &'static str, before: &'static str, after: &'static str) -> Style {
    Style {
        above,
        before,
        hang: "",
        after,
    }
}

/// How rows of words are written.
#[derive(Debug)]
pub(super) struct Words {
    /// Before the heads; `‹rule›` has [`Words::rule`] of every column.
    pub(super) opening: &'static str,
    /// Of a narrow and of a wide column.
    pub(super) rule: [&'static str; 2],
    /// Below the heads; may hold `‹rule›`.
    pub(super) below: &'static str,
    pub(super) closing: &'static str,
}

/// How a table of numbers is written.
#[derive(Debug)]
pub(super) struct Numbers {
    /// Columns that stand beside each other at most.
    pub(super) columns: usize,
    /// Whether heading and note stand above the table; else they are in `opening`.
    pub(super) headed: bool,
    /// Before a group of columns: `‹counter›`, `‹title›`, `‹continued›`, `‹note›`, `‹id›`,
    /// `‹part›`, `‹rule›`.
    pub(super) opening: &'static str,
    /// For tables that keep their number: `‹before›` is one less.
    pub(super) counter: &'static str,
    /// For each cell of a row behind its name.
    pub(super) rule: &'static str,
    /// Above a section.
    pub(super) section: &'static str,
    /// Its heading, if it has one: `‹title›`, `‹span›`. Without it the heading stands in the
    /// corner of the section's own heads.
    pub(super) section_title: Option<&'static str>,
    /// Head of a column: `‹title›`, `‹span›`.
    pub(super) head: &'static str,
    /// Behind it where the column has numbers of the reference: `‹reference›`.
    pub(super) reference_head: &'static str,
    /// Below the heads: `‹rule›`, and `‹line›` as wide as they are.
    pub(super) below: &'static str,
    /// Between a number, its doubt and the reference's number.
    pub(super) between: &'static str,
    /// Whether what a number lacks keeps its place.
    pub(super) keeps_places: bool,
    /// Both ends of an interval are joined by the first; a deviation stands behind the second.
    pub(super) doubt: Around,
    /// The reference's number: `‹reference›`, `‹number›`.
    pub(super) reference: &'static str,
    /// A number as a product with a power of ten: `‹mantissa›`, `‹exponent›`.
    pub(super) power: Option<&'static str>,
    pub(super) closing: &'static str,
}

/// One kind of markup.
#[derive(Debug)]
pub struct Flavor {
    pub(super) document: Around,
    /// Characters that mean something else, and what is written for them.
    pub(super) escapes: &'static [(char, &'static str)],
    /// What opens and closes quotations.
    pub(super) quotes: Around,
    /// Whether other characters than letters and those of ASCII are written as question marks.
    pub(super) is_ascii: bool,
    /// Characters of the longest line; texts are wrapped and columns aligned where it is limited.
    pub(super) width: Option<usize>,
    pub(super) strong: Around,
    pub(super) line_break: &'static str,
    pub(super) title: Style,
    pub(super) subtitle: Style,
    pub(super) loud: Style,
    pub(super) notice: Style,
    /// Between the notices and what follows.
    pub(super) body: &'static str,
    pub(super) heading: Style,
    pub(super) text: Style,
    pub(super) code: Style,
    pub(super) item: Style,
    /// Before, between and behind the cells of a row.
    pub(super) row: [&'static str; 3],
    pub(super) words: Words,
    pub(super) numbers: Numbers,
}

/// Markdown with tables of pipes.
pub const MARKDOWN: Flavor = Flavor {
    document: ("", ""),
    escapes: &[
        ('\n', " "),
        ('\r', " "),
        ('\\', "\\\\"),
        ('|', "\\|"),
        ('*', "\\*"),
        ('_', "\\_"),
        ('`', "\\`"),
        ('[', "\\["),
        (']', "\\]"),
        ('<', "&lt;"),
        ('&', "&amp;"),
    ],
    quotes: ("\"", "\""),
    is_ascii: false,
    width: None,
    strong: ("**", "**"),
    line_break: "<br>",
    title: style("", "# ", "\n"),
    subtitle: style("\n", "", ".\n"),
    loud: style("\n", "> **", "**\n"),
    notice: style("\n", "> ", "\n"),
    body: "",
    heading: style("\n", "## ", "\n"),
    text: style("\n", "", "\n"),
    code: style("\n", "    ", "\n"),
    item: style("", "- ", "\n"),
    row: ["| ", " | ", " |"],
    words: Words {
        opening: "\n",
        rule: ["---|", "---|"],
        below: "|‹rule›\n",
        closing: "",
    },
    numbers: Numbers {
        columns: usize::MAX,
        headed: true,
        opening: "",
        counter: "",
        rule: "---:|",
        section: "\n",
        section_title: None,
        head: "‹title›",
        reference_head: "",
        below: "|---|‹rule›\n",
        between: " ",
        keeps_places: false,
        doubt: ("–", "± "),
        reference: "(‹reference› ‹number›)",
        power: None,
        closing: "",
    },
};

/// A LaTeX document of its own that compiles; each table can be copied out of it. Wide tables are
/// continued in further ones, and numbered tables keep their numbers whatever stands before them.
pub const LATEX: Flavor = Flavor {
    document: (
        "% Needs booktabs and graphicx.\n\\documentclass{article}\n\
         \\usepackage[T1]{fontenc}\n\\usepackage[utf8]{inputenc}\n\
         \\usepackage{booktabs}\n\\usepackage{graphicx}\n\
         \\usepackage[a4paper,margin=2cm]{geometry}\n\\begin{document}\n",
        "\\end{document}\n",
    ),
    escapes: &[
        ('&', "\\&"),
        ('%', "\\%"),
        ('$', "\\$"),
        ('#', "\\#"),
        ('_', "\\_"),
        ('{', "\\{"),
        ('}', "\\}"),
        ('\\', "\\textbackslash{}"),
        ('~', "\\textasciitilde{}"),
        ('^', "\\textasciicircum{}"),
        ('<', "\\textless{}"),
        ('>', "\\textgreater{}"),
        ('±', "$\\pm$"),
        ('−', "$-$"),
        ('×', "$\\times$"),
        ('–', "--"),
        ('\n', " "),
        ('\r', " "),
    ],
    quotes: ("``", "''"),
    is_ascii: true,
    width: None,
    strong: ("\\textbf{", "}"),
    line_break: " ",
    title: style("", "\\noindent\\textbf{", "}"),
    subtitle: style("\\\\\n", "", "."),
    loud: style("\\\\\n", "\\textbf{", "}"),
    notice: style("\\\\\n", "", ""),
    body: "\n\n",
    heading: style("", "\\noindent ", ": "),
    text: style("", "", "\n\n"),
    code: style("\\begin{verbatim}\n", "", "\n\\end{verbatim}\n\n"),
    item: style("", "\\noindent ", "\n\n"),
    row: ["", " & ", " \\\\"],
    words: Words {
        opening: "\\medskip\\noindent\n\\begin{tabular}{@{}‹rule›@{}}\n\\toprule\n",
        rule: ["l", "p{11cm}"],
        below: "\\midrule\n",
        closing: "\\bottomrule\n\\end{tabular}\n\n",
    },
    numbers: Numbers {
        columns: 5,
        headed: false,
        opening: "\\begin{table}[htbp]\n\\centering\\small\n‹counter›\
                  \\caption{‹title›‹continued›. ‹note›}\n\\label{tab:‹id›-‹part›}\n\
                  \\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n\
                  \\begin{tabular}{@{}l‹rule›@{}}\n\\toprule\n",
        counter: "\\setcounter{table}{‹before›}\n",
        rule: "r",
        section: "\\midrule\n",
        section_title: Some("\\multicolumn{‹span›}{@{}l}{\\emph{‹title›}} \\\\\n"),
        head: "\\multicolumn{‹span›}{r}{‹title›}",
        reference_head: " & ‹reference›",
        below: "",
        between: " & ",
        keeps_places: true,
        doubt: ("--", "$\\pm$"),
        reference: "‹number›",
        power: Some("$‹mantissa›\\cdot10^{‹exponent›}$"),
        closing: "\\bottomrule\n\\end{tabular}}\n\\end{table}\n\n",
    },
};

/// Plain text for terminals: aligned, without color; columns that do not fit follow below, with
/// the names again.
pub const TERMINAL: Flavor = Flavor {
    document: ("", ""),
    escapes: &[],
    quotes: ("\"", "\""),
    is_ascii: false,
    width: Some(110),
    strong: ("", ""),
    line_break: " ",
    title: style("", "", "\n"),
    subtitle: style("", "", "\n"),
    loud: Style {
        hang: "!! ",
        ..style("", "!! ", "\n")
    },
    notice: Style {
        hang: "   ",
        ..style("", "!  ", "\n")
    },
    body: "\n",
    heading: style("\n", "", "\n"),
    text: style("", "", "\n"),
    code: style("", "    ", "\n"),
    item: style("", "  ", "\n"),
    row: ["", "  ", ""],
    words: Words {
        opening: "",
        rule: ["", ""],
        below: "",
        closing: "",
    },
    numbers: Numbers {
        columns: usize::MAX,
        headed: true,
        opening: "",
        counter: "",
        rule: "",
        section: "",
        section_title: Some("‹title›\n"),
        head: "‹title›",
        reference_head: "",
        below: "‹line›\n",
        between: " ",
        keeps_places: true,
        doubt: ("-", "±"),
        reference: "(‹number›)",
        power: None,
        closing: "",
    },
};
