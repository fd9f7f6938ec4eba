//! The named functions: how they are written, and their values over the complex numbers.

use num_complex::Complex64;

/// A function of one argument, except where its name says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Sin,
    Cos,
    Tan,
    Cot,
    Sec,
    Csc,
    Arcsin,
    Arccos,
    Arctan,
    Arccot,
    Sinh,
    Cosh,
    Tanh,
    Coth,
    Arsinh,
    Arcosh,
    Artanh,
    Exp,
    Ln,
    /// To base 10, where none is written.
    Log,
    Log2,
    Abs,
    Floor,
    Ceil,
    Factorial,
    /// Of n and k.
    Binomial,
    /// Of two or more whole numbers.
    Gcd,
    /// Of two or more whole numbers.
    Lcm,
    /// Of two or more reals.
    Max,
    /// Of two or more reals.
    Min,
    Re,
    Im,
}

use Function::*;

impl Function {
    /// The function of this name, as LaTeX (without the backslash), plain text and Python write it.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "sin" => Sin,
            "cos" => Cos,
            "tan" | "tg" => Tan,
            "cot" | "ctg" => Cot,
            "sec" => Sec,
            "csc" | "cosec" => Csc,
            "arcsin" | "asin" => Arcsin,
            "arccos" | "acos" => Arccos,
            "arctan" | "atan" | "arctg" => Arctan,
            "arccot" | "acot" => Arccot,
            "sinh" => Sinh,
            "cosh" => Cosh,
            "tanh" => Tanh,
            "coth" => Coth,
            "arcsinh" | "arsinh" | "asinh" => Arsinh,
            "arccosh" | "arcosh" | "acosh" => Arcosh,
            "arctanh" | "artanh" | "atanh" => Artanh,
            "exp" => Exp,
            "ln" => Ln,
            "log" | "lg" => Log,
            "lb" => Log2,
            "abs" => Abs,
            "floor" => Floor,
            "ceil" => Ceil,
            "gcd" => Gcd,
            "lcm" => Lcm,
            "max" => Max,
            "min" => Min,
            "Re" => Re,
            "Im" => Im,
            _ => return None,
        })
    }

    /// The function that undoes this one, which `\sin^{-1}` means.
    pub(super) fn inverse(self) -> Option<Self> {
        Some(match self {
            Sin => Arcsin,
            Cos => Arccos,
            Tan => Arctan,
            Cot => Arccot,
            Sinh => Arsinh,
            Cosh => Arcosh,
            Tanh => Artanh,
            _ => return None,
        })
    }

    /// Whether it takes several arguments, which then stand in brackets.
    pub(super) fn takes_several(self) -> bool {
        matches!(self, Binomial | Gcd | Lcm | Max | Min)
    }

    /// Whether it has values on whole numbers only or jumps, so that exact arguments are worth the trouble.
    pub(super) fn is_discrete(self) -> bool {
        matches!(self, Floor | Ceil | Factorial | Binomial | Gcd | Lcm)
    }

    /// The value where there is a finite one.
    pub(super) fn value(self, arguments: &[Complex64]) -> Option<Complex64> {
        let value = match arguments {
            &[z] => match real(z).and_then(|x| self.of_real(x)) {
                Some(value) => value.into(),
                None => self.of_one(z)?,
            },
            &[n, k] if self == Binomial => binomial(real(n)?, real(k)?)?.into(),
            several => {
                let reals = several.iter().map(|&z| real(z));
                reals.reduce(|a, b| self.of_two(a?, b?)).flatten()?.into()
            }
        };
        value.is_finite().then_some(value)
    }

    /// The real value at a real number, where it is one and more accurate than what complex arithmetic gives.
    fn of_real(self, x: f64) -> Option<f64> {
        match self {
            Sin => Some(x.sin()),
            Cos => Some(x.cos()),
            Tan => Some(x.tan()),
            Cot => Some(x.cos() / x.sin()),
            Arcsin if x.abs() <= 1.0 => Some(x.asin()),
            Arccos if x.abs() <= 1.0 => Some(x.acos()),
            Arctan => Some(x.atan()),
            Sinh => Some(x.sinh()),
            Cosh => Some(x.cosh()),
            Tanh => Some(x.tanh()),
            Arsinh => Some(x.asinh()),
            Arcosh if x >= 1.0 => Some(x.acosh()),
            Artanh if x.abs() < 1.0 => Some(x.atanh()),
            Ln if x > 0.0 => Some(x.ln()),
            Log if x > 0.0 => Some(x.log10()),
            Log2 if x > 0.0 => Some(x.log2()),
            _ => None,
        }
    }

    fn of_one(self, z: Complex64) -> Option<Complex64> {
        Some(match self {
            Sin => z.sin(),
            Cos => z.cos(),
            Tan => z.tan(),
            Cot => z.cos() / z.sin(),
            Sec => z.cos().inv(),
            Csc => z.sin().inv(),
            Arcsin => z.asin(),
            Arccos => z.acos(),
            Arctan => z.atan(),
            Arccot => std::f64::consts::FRAC_PI_2 - z.atan(),
            Sinh => z.sinh(),
            Cosh => z.cosh(),
            Tanh => z.tanh(),
            Coth => z.cosh() / z.sinh(),
            Arsinh => z.asinh(),
            Arcosh => z.acosh(),
            Artanh => z.atanh(),
            Exp => z.exp(),
            Ln => z.ln(),
            Log => z.ln() / std::f64::consts::LN_10,
            Log2 => z.ln() / std::f64::consts::LN_2,
            Abs => z.norm().into(),
            Re => z.re.into(),
            Im => z.im.into(),
            Floor => real(z)?.floor().into(),
            Ceil => real(z)?.ceil().into(),
            Factorial => factorial(real(z)?)?.into(),
            Binomial | Gcd | Lcm | Max | Min => return None,
        })
    }

    fn of_two(self, a: f64, b: f64) -> Option<f64> {
        match self {
            Max => Some(a.max(b)),
            Min => Some(a.min(b)),
            // The others have only exact values.
            _ => None,
        }
    }
}

/// The number, where it has no imaginary part.
pub(super) fn real(z: Complex64) -> Option<f64> {
    (z.im == 0.0).then_some(z.re)
}

/// x! = Γ(x + 1), which goes on between the whole numbers; none at its poles.
fn factorial(x: f64) -> Option<f64> {
    let pole = x < 0.0 && x.fract() == 0.0;
    (!pole).then(|| libm::tgamma(x + 1.0))
}

fn binomial(n: f64, k: f64) -> Option<f64> {
    Some(factorial(n)? / (factorial(k)? * factorial(n - k)?))
}
