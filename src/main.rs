//! x
fn main() {
    let t = tch::Tensor::ones([2], (tch::Kind::Float, tch::Device::Cpu));
    println!("{t}");
}
