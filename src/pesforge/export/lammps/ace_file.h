// What a file of pair_style pesforge says, read and checked. Nothing here depends on LAMMPS.
#ifndef PESFORGE_ACE_FILE_H
#define PESFORGE_ACE_FILE_H

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

namespace pesforge {

constexpr int MAX_ORDER = 4;
constexpr int FORMAT = 2;

// A density component: the sum over neighbours of one species (-1: of every species) of radial function times Y_lm.
struct Component {
  int radial, harmonic, species;
};

// A product of `order` components.
struct Product {
  int order;
  int factors[MAX_ORDER];
};

struct AceFile {
  std::vector<std::string> species;
  double cutoff = 0, spacing = 0;
  std::vector<double> zeros;
  int n_intervals = 0, n_powers = 0, n_radial = 0, l_max = 0;
  // Polynomials in w = r / spacing - interval: [neighbour species][interval][power of w][radial function]
  std::vector<double> radial;
  std::vector<Component> components;
  std::vector<Product> products;
  // [product][centre species]
  std::vector<double> coefficients;
  // Functions x_k = sum of value times product, and the triangle T of the leverages |T^T x|^2: row species *
  // n_functions + k, zero beyond the column of its own number. Absent where n_directions is 0.
  int n_functions = 0, n_directions = 0;
  double scale = 0;
  std::vector<Product> function_products;
  std::vector<int> function_number;
  std::vector<double> function_value;
  std::vector<std::vector<double>> triangle;
};

// Words and numbers separated by white space; any surprise is an error that says what was expected.
class Words {
 public:
  explicit Words(const std::string &path) : path_(path) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) throw std::runtime_error(path + ": cannot be opened");
    text_.assign(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    position_ = text_.c_str();
  }

  std::string word() {
    while (std::isspace(static_cast<unsigned char>(*position_))) ++position_;
    const char *begin = position_;
    while (*position_ && !std::isspace(static_cast<unsigned char>(*position_))) ++position_;
    return std::string(begin, position_);
  }

  void expect(const std::string &wanted) {
    const std::string found = word();
    if (found != wanted) fail("'" + wanted + "' is expected, not '" + found.substr(0, 40) + "'");
  }

  long integer(const char *name, long lowest, long highest) {
    char *end = nullptr;
    errno = 0;
    const long value = std::strtol(position_, &end, 10);
    check(end, name);
    if (errno || value < lowest || value > highest) {
      fail(std::string(name) + " must be from " + std::to_string(lowest) + " to " + std::to_string(highest));
    }
    position_ = end;
    return value;
  }

  double number(const char *name) {
    char *end = nullptr;
    const double value = std::strtod(position_, &end);
    check(end, name);
    if (!(value - value == 0)) fail(std::string(name) + " is not finite");
    position_ = end;
    return value;
  }

  std::vector<double> numbers(const char *name, size_t count) {
    std::vector<double> values(count);
    for (double &value : values) value = number(name);
    return values;
  }

  [[noreturn]] void fail(const std::string &what) const {
    throw std::runtime_error(path_ + ": " + what + "; write the file again with `pesforge lammps`");
  }

 private:
  void check(const char *end, const char *name) const {
    const bool ends_a_word = !*end || std::isspace(static_cast<unsigned char>(*end));
    if (end == position_ || !ends_a_word) fail(std::string(name) + " is not a number, or the file ends too early");
  }

  std::string path_, text_;
  const char *position_ = nullptr;
};

inline Product read_product(Words &words, int order, size_t n_components) {
  Product product{order, {-1, -1, -1, -1}};
  for (int i = 0; i < order; i++) product.factors[i] = words.integer("a factor", 0, long(n_components) - 1);
  return product;
}

inline void read_radial(Words &words, AceFile &file) {
  words.expect("cutoff");
  file.cutoff = words.number("the cutoff");
  words.expect("spacing");
  file.spacing = words.number("the spacing");
  words.expect("radial");
  file.n_intervals = words.integer("the number of intervals", 1, 10000000);
  file.n_powers = words.integer("the number of powers", 1, 20);
  file.n_radial = words.integer("the number of radial functions", 1, 100000);
  if (!(file.cutoff > 0) || !(file.spacing > 0) || file.n_intervals * file.spacing < file.cutoff * (1 - 1e-12)) {
    words.fail("the intervals do not reach a cutoff above 0");
  }
  const size_t size = size_t(file.n_intervals) * file.n_powers * file.n_radial;
  file.radial = words.numbers("a radial function", file.species.size() * size);
}

inline void read_components(Words &words, AceFile &file) {
  words.expect("components");
  file.components.resize(words.integer("the number of components", 1, 10000000));
  for (Component &component : file.components) {
    component.radial = words.integer("a radial index", 0, file.n_radial - 1);
    component.harmonic = words.integer("a harmonic index", 0, 1023);
    component.species = words.integer("a species index", -1, long(file.species.size()) - 1);
    while ((file.l_max + 1) * (file.l_max + 1) <= component.harmonic) file.l_max++;
  }
}

inline void read_products(Words &words, AceFile &file) {
  for (int order = 1; order <= MAX_ORDER; order++) {
    words.expect("order");
    words.integer("the order", order, order);
    const long count = words.integer("the number of products", 0, 1000000000);
    for (long t = 0; t < count; t++) {
      file.products.push_back(read_product(words, order, file.components.size()));
      for (size_t z = 0; z < file.species.size(); z++) file.coefficients.push_back(words.number("a coefficient"));
    }
  }
}

inline void read_leverage(Words &words, AceFile &file) {
  words.expect("leverage");
  file.n_functions = words.integer("the number of functions", 0, 10000000);
  file.n_directions = words.integer("the number of directions", 0, 10000000);
  file.scale = words.number("the scale");
  const long count = words.integer("the number of products", 0, 1000000000);
  for (long t = 0; t < count; t++) {
    file.function_number.push_back(words.integer("a function", 0, file.n_functions - 1));
    file.function_value.push_back(words.number("a value"));
    const int order = words.integer("an order", 0, MAX_ORDER);
    file.function_products.push_back(read_product(words, order, file.components.size()));
  }
  file.triangle.resize(file.species.size() * file.n_functions);
  for (size_t row = 0; row < file.triangle.size(); row++) {
    file.triangle[row] = words.numbers("the triangle", std::min<size_t>(row + 1, file.n_directions));
  }
}

// The content of a file. Throws std::runtime_error with one sentence where it is not what Python writes.
inline AceFile read_ace_file(const std::string &path) {
  Words words(path);
  AceFile file;
  if (words.word() != "pesforge-ace") words.fail("is not a file of pair_style pesforge");
  words.integer("the format", FORMAT, FORMAT);
  words.expect("species");
  file.species.resize(words.integer("the number of species", 1, 118));
  for (std::string &symbol : file.species) symbol = words.word();
  words.expect("zeros");
  file.zeros = words.numbers("an energy zero", file.species.size());
  read_radial(words, file);
  read_components(words, file);
  read_products(words, file);
  read_leverage(words, file);
  words.expect("end");
  return file;
}

}  // namespace pesforge

#endif
