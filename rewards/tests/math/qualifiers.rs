//! What is said of the letters of a formula.

use super::check;

#[test]
fn what_goes_without_saying_adds_nothing() {
    check(
        "n=5k",
        &[
            "n=5k \\text{ for any integer } k",
            "n = 5k, where k is an integer",
            "$n=5k$, where $k$ is any integer.",
            "n=5k, \\forall k \\in \\mathbb{Z}",
            "n=5k \\quad (k \\in \\mathbb{Z})",
            "n=5k\\text{ (}k\\text{ an integer)}",
            "n=5k \\text{ for some } k \\in Z",
            "n=5k, k ∈ ℤ",
            "\\text{For every integer $k$, }n=5k",
        ],
        &[
            "n=6k \\text{ for any integer } k",
            "n=5k \\text{ for any positive integer } k",
            "n=5k \\text{ for any real number } k",
            "n=5k \\text{ for any integer } m",
            "n=5k \\text{ for } k > 0",
            "n=5k, k = 1",
            "n=5k, k \\in \\mathbb{Z}^+",
            "n=5k \\text{ where } k \\text{ is not an integer}",
            "n=5k \\text{ for any integer } k \\text{ except } 0",
            "n=5k \\text{ or } n=3k, k \\in \\mathbb{Z}",
        ],
    );
    check(
        "f(x)=cx",
        &[
            "f(x)=cx \\text{ for any constant } c",
            "cx, c \\in \\mathbb{R}",
            "f(x)=cx \\text{ for all real } x, \\text{ where } c \\text{ is a real constant}",
            "f(x)=cx \\text{ for all } x \\text{ and some constant } c",
        ],
        &[
            "f(x)=cx+1 \\text{ for any constant } c",
            "f(x)=cx \\text{ for } c = 2",
            "f(x)=cx, c \\ne 0",
            "f(x)=cx, c \\in \\mathbb{Z}",
            "f(x)=cx \\text{ for any integer } c",
            "f(x)=cx \\text{ for any nonzero constant } c",
            "f(x)=cx \\text{ for all } x > 0",
            "f(x)=cx \\text{ for any constant } c \\text{ or } f(x)=0",
        ],
    );
    check(
        "C_1e^{x}+C_2",
        &["C_1e^{x}+C_{2}, \\text{ where } C_1, C_2 \\text{ are constants}"],
        &["C_1e^{x}, \\text{ where } C_1, C_2 \\text{ are constants}"],
    );
    check("5", &[], &["5 \\text{ for any integer } k", "5 \\text{ for all } x"]);
    check("x > 2", &["x > 2, x \\in \\mathbb{R}"], &["x > 2, x \\in \\mathbb{Z}"]);
}

#[test]
fn golds_may_say_it_as_well() {
    check(
        "f(x)=x+c \\text{ for any real number } c",
        &["f(x)=x+c", "x+c, c \\in \\mathbb{R}", "f(x)=x+c \\text{ where } c \\text{ is a constant}"],
        &["f(x)=x-c", "f(x)=x+c, c \\in \\mathbb{Z}"],
    );
    check(
        "f(x)=cx \\text{ for any integer } c",
        &["f(x)=cx, c \\in \\mathbb{Z}"],
        &["f(x)=cx", "f(x)=cx, c \\in \\mathbb{R}"],
    );
}

#[test]
fn only_whole_numbers_go_without_saying() {
    check(
        "n=5k",
        &["n=5k: k\\in\\mathbb{Z}", "n=5k \\mid k \\in \\mathbb{Z}", "n=5k : k \\in \\mathbb{Z}"],
        &[
            "n=5k: k\\in\\mathbb{N}",
            "n=5k \\mid k > 2",
            "n=5k \\text{ for any positive integer } k",
            "n=5k \\text{ for a fixed integer } k",
        ],
    );
    check(
        "f(n)=n+1 \\text{ for all positive integers } n",
        &["f(n)=n+1", "n+1", "f(n)=n+1, n \\in \\mathbb{N}"],
        &["f(n)=n+2"],
    );
    check(
        "f(n)=n+1 \\text{ for every positive integer } n",
        &["f(n)=n+1 \\text{ for all positive integers } n"],
        &[],
    );
    check(
        "x = \\frac{\\pi}{4} + \\pi k",
        &["x = \\frac{\\pi}{4} + \\pi k, k \\in \\mathbb{Z}"],
        &["x = \\frac{\\pi}{4} + \\pi k, k \\in \\mathbb{N}"],
    );
    check(
        "x = \\frac{\\pi}{4} + \\pi k, k \\in \\mathbb{Z}",
        &["x = \\frac{\\pi}{4} + \\pi k"],
        &["x = \\frac{\\pi}{4} + \\pi k, k \\in \\mathbb{N}"],
    );
    check(
        "y=2x+1",
        &["y=2x+1, x \\in \\mathbb{R}"],
        &["y=2x+1, x \\in \\mathbb{Z}", "y=2x+1, \\text{ where x is a natural number}"],
    );
    check(
        "(2t,3t)",
        &["(2t,3t), t \\in \\mathbb{R}"],
        &["(2t,3t), t \\in \\mathbb{Z}", "(2t,3t), t \\in \\mathbb{N}"],
    );
    check("x=2t, y=3t", &[], &["x=2t, y=3t, t \\in \\mathbb{Z}"]);
    check("r = 2\\cos\\theta", &[], &["r = 2\\cos\\theta, \\theta\\in\\mathbb{Z}"]);
    check("x = y^2", &[], &["x = y^2, y \\in \\mathbb{Z}"]);
    check(
        "f(x)=cx",
        &["f(x)=cx \\text{ for a fixed constant } c"],
        &["f(x)=cx \\text{ for a fixed positive } c"],
    );
    check("k > 3", &[], &["k > 3, k \\in \\mathbb{Z}"]);
    check("k > 3, k \\in \\mathbb{Z}", &["k > 3, k \\in \\mathbb{Z}", "k > 3"], &[]);
    check("x^2+px+q", &["x^2+px+q, p \\in \\mathbb{R}"], &[]);
}
