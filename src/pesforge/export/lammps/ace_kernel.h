// Energies, forces and leverages of blocks of atoms of one species.
#ifndef PESFORGE_ACE_KERNEL_H
#define PESFORGE_ACE_KERNEL_H

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <tuple>
#include <utility>
#include <vector>

#include "ace_file.h"
#include "harmonics.h"
#include "lanes.h"
#include "product_tree.h"

namespace pesforge {

// The k-th neighbour of every atom of a block, all of one species; absent ones have neighbour -1 and add nothing.
struct Slot {
  int species;
  int neighbour[LANES];
  Lanes direction[3], distance, force[3];
};

// Components of one harmonic whose radial functions and own numbers are consecutive.
struct Run {
  int harmonic, radial, component, count;
};

// Some columns of the triangle at the rows of one species, from the first row that is not zero: [row][column].
constexpr int COLUMNS = 16 / (LANES / WIDTH) / 2;  // Half of the registers of AVX2 hold the sums.
struct Columns {
  int first;
  std::vector<double> values;
};

// Everything that is needed for blocks of atoms of one potential. An evaluator holds the state of one block.
class BlockEvaluator {
 public:
  explicit BlockEvaluator(AceFile file) : file_(std::move(file)) {
    renumber_components();
    find_runs();
    const size_t n_species = file_.species.size();
    trees_.resize(n_species);
    std::vector<double> own(file_.products.size());
    for (size_t z = 0; z < n_species; z++) {
      for (size_t t = 0; t < own.size(); t++) own[t] = file_.coefficients[t * n_species + z];
      trees_[z].build(file_.products, own, file_.components.size());
    }
    set_table();
    const int n_harmonics = (file_.l_max + 1) * (file_.l_max + 1);
    harmonics_.prepare(file_.l_max);
    harmonic_values_.resize(n_harmonics);
    outward_.resize(n_harmonics);
    sideways_.resize(n_harmonics);
    density_.resize(file_.components.size());
    slope_.resize(file_.components.size());
    functions_.resize(file_.n_functions);
    pack_triangle();
  }

  const AceFile &file() const { return file_; }

  // Sums up the densities of the block.
  void set_neighbours(const std::vector<Slot> &slots) {
    const int n_radial = file_.n_radial;
    radial_.resize(slots.size() * n_radial);
    radial_slope_.resize(slots.size() * n_radial);
    std::fill(density_.begin(), density_.end(), Lanes{});
    for (size_t k = 0; k < slots.size(); k++) {
      Lanes *g = &radial_[k * n_radial];
      set_radial(slots[k], g, &radial_slope_[k * n_radial]);
      harmonics_.set(slots[k].direction);
      harmonics_.values(harmonic_values_.data());
      for (const Run &run : runs_[slots[k].species]) {
        const Lanes y = harmonic_values_[run.harmonic];
        for (int i = 0; i < run.count; i++) {
          Vector *__restrict a = density_[run.component + i].v;
          const Vector *__restrict r = g[run.radial + i].v;
          PESFORGE_LANES a[s] += r[s] * y.v[s];
        }
      }
    }
  }

  // Energies in eV of the atoms of the block, whose species is `centre`.
  Lanes energies(int centre) {
    Lanes energy = everywhere(file_.zeros[centre]);
    std::fill(slope_.begin(), slope_.end(), Lanes{});
    trees_[centre].evaluate(density_.data(), slope_.data(), energy);
    return energy;
  }

  // Derivatives of the energies by the vectors from the atoms to their neighbours, after `energies`.
  void set_forces(std::vector<Slot> &slots) {
    const int n_radial = file_.n_radial;
    for (size_t k = 0; k < slots.size(); k++) {
      Slot &slot = slots[k];
      std::fill(outward_.begin(), outward_.end(), Lanes{});
      std::fill(sideways_.begin(), sideways_.end(), Lanes{});
      for (const Run &run : runs_[slot.species]) {
        Lanes out = outward_[run.harmonic], side = sideways_[run.harmonic];
        for (int i = 0; i < run.count; i++) {
          const Vector *__restrict t = slope_[run.component + i].v;
          const Vector *__restrict r = radial_[k * n_radial + run.radial + i].v;
          const Vector *__restrict d = radial_slope_[k * n_radial + run.radial + i].v;
          PESFORGE_LANES out.v[s] += t[s] * d[s];
          PESFORGE_LANES side.v[s] += t[s] * r[s];
        }
        outward_[run.harmonic] = out;
        sideways_[run.harmonic] = side;
      }
      Lanes along, gradient[3];
      harmonics_.set(slot.direction);
      harmonics_.contract(outward_.data(), sideways_.data(), along, gradient);
      const Lanes *u = slot.direction;
      PESFORGE_LANES {
        const Vector inverse = 1 / slot.distance.v[s];
        const Vector outside = u[0].v[s] * gradient[0].v[s] + u[1].v[s] * gradient[1].v[s] + u[2].v[s] * gradient[2].v[s];
        const Vector parallel = along.v[s] - outside * inverse;
        for (int x = 0; x < 3; x++) slot.force[x].v[s] = parallel * u[x].v[s] + gradient[x].v[s] * inverse;
      }
    }
  }

  // The functions of the leverages of the block, after `set_neighbours`.
  void set_functions() {
    std::fill(functions_.begin(), functions_.end(), Lanes{});
    for (size_t t = 0; t < file_.function_products.size(); t++) {
      const Product &product = file_.function_products[t];
      Lanes term = everywhere(file_.function_value[t]);
      for (int i = 0; i < product.order; i++) PESFORGE_LANES term.v[s] *= density_[product.factors[i]].v[s];
      PESFORGE_LANES functions_[file_.function_number[t]].v[s] += term.v[s];
    }
  }

  // Leverages |T^T x|^2 of the atoms of the block, whose species is `centre`, after `set_functions`.
  Lanes leverages(int centre) const {
    Lanes leverage{};
    for (const Columns &columns : packed_[centre]) {
      const double *w = columns.values.data();
      Lanes sums[COLUMNS] = {};
      for (int k = columns.first; k < file_.n_functions; k++, w += COLUMNS) {
        const Vector *__restrict x = functions_[k].v;
        for (int c = 0; c < COLUMNS; c++) PESFORGE_LANES sums[c].v[s] += w[c] * x[s];
      }
      for (const Lanes &sum : sums) PESFORGE_LANES leverage.v[s] += sum.v[s] * sum.v[s];
    }
    return leverage;
  }

  // Adds the functions of the first atoms of the block to those of all atoms, species after species.
  void add_functions(int centre, int count, std::vector<double> &total) const {
    double *sums = &total[size_t(centre) * file_.n_functions];
    for (int k = 0; k < file_.n_functions; k++)
      for (int lane = 0; lane < count; lane++) sums[k] += functions_[k][lane];
  }

  // Standard deviation in eV of the energy of all atoms, whose functions `total` sums up.
  double sigma(const std::vector<double> &total) const {
    std::vector<double> whitened(file_.n_directions, 0.0);
    for (size_t row = 0; row < total.size(); row++)
      for (size_t r = 0; r < file_.triangle[row].size(); r++) whitened[r] += file_.triangle[row][r] * total[row];
    double leverage = 0;
    for (const double value : whitened) leverage += value * value;
    return file_.scale * std::sqrt(leverage);
  }

 private:
  // Components in the order species, harmonic, radial function, so that those of one harmonic are consecutive.
  void renumber_components() {
    std::vector<int> order(file_.components.size()), place(order.size());
    for (size_t i = 0; i < order.size(); i++) order[i] = i;
    std::sort(order.begin(), order.end(), [&](int a, int b) {
      const Component &p = file_.components[a], &q = file_.components[b];
      return std::tie(p.species, p.harmonic, p.radial) < std::tie(q.species, q.harmonic, q.radial);
    });
    std::vector<Component> sorted;
    for (size_t i = 0; i < order.size(); i++) {
      place[order[i]] = i;
      sorted.push_back(file_.components[order[i]]);
    }
    file_.components = sorted;
    for (auto *products : {&file_.products, &file_.function_products})
      for (Product &product : *products)
        for (int i = 0; i < product.order; i++) product.factors[i] = place[product.factors[i]];
  }

  void find_runs() {
    runs_.resize(file_.species.size());
    for (int z = 0; z < int(runs_.size()); z++) {
      for (int i = 0; i < int(file_.components.size()); i++) {
        const Component &c = file_.components[i];
        if (c.species != z && c.species != -1) continue;
        std::vector<Run> &runs = runs_[z];
        const bool goes_on = !runs.empty() && runs.back().harmonic == c.harmonic &&
                             runs.back().component + runs.back().count == i &&
                             runs.back().radial + runs.back().count == c.radial;
        if (goes_on) runs.back().count++;
        else runs.push_back({c.harmonic, c.radial, i, 1});
      }
    }
  }

  void pack_triangle() {
    packed_.resize(file_.species.size());
    for (int z = 0; z < int(packed_.size()); z++) {
      for (int column = 0; column < file_.n_directions; column += COLUMNS) {
        const int above = z * file_.n_functions, first = std::max(0, column - above);
        if (first >= file_.n_functions) break;
        Columns columns{first, {}};
        for (int k = first; k < file_.n_functions; k++) {
          const std::vector<double> &row = file_.triangle[above + k];
          for (size_t c = column; c < size_t(column + COLUMNS); c++) columns.values.push_back(c < row.size() ? row[c] : 0);
        }
        packed_[z].push_back(std::move(columns));
      }
    }
  }

  // The radial table in whole vectors: [neighbour species][interval][group of functions][power, highest first].
  void set_table() {
    const int n_radial = file_.n_radial, n_powers = file_.n_powers;
    groups_ = (n_radial + WIDTH - 1) / WIDTH;
    const size_t intervals = file_.species.size() * file_.n_intervals;
    table_.assign(intervals * groups_ * n_powers, Vector{});
    for (size_t q = 0; q < intervals; q++)
      for (int p = 0; p < n_powers; p++)
        for (int f = 0; f < n_radial; f++) {
          const double value = file_.radial[(q * n_powers + p) * n_radial + f];
          table_[(q * groups_ + f / WIDTH) * n_powers + n_powers - 1 - p][f % WIDTH] = value;
        }
  }

  // Radial functions and their slopes for all atoms of a slot; zeros where there is no neighbour.
  void set_radial(const Slot &slot, Lanes *g, Lanes *dg) const {
    const double inverse = 1 / file_.spacing;
    const int n_radial = file_.n_radial, n_powers = file_.n_powers;
    for (int lane = 0; lane < LANES; lane++) {
      const bool present = slot.neighbour[lane] >= 0;
      const double place = present ? slot.distance[lane] * inverse : 0;
      const int q = std::min(int(place), file_.n_intervals - 1);
      const double w = place - q, scale = present ? 1 : 0;
      const Vector *c = &table_[(size_t(slot.species) * file_.n_intervals + q) * groups_ * n_powers];
      for (int first = 0; first < n_radial; first += WIDTH, c += n_powers) {
        Vector value = c[0], slope{};
        for (int p = 1; p < n_powers; p++) {
          slope = slope * w + value;
          value = value * w + c[p];
        }
        value *= scale;
        slope *= scale * inverse;
        const int count = std::min(WIDTH, n_radial - first);
        for (int f = 0; f < count; f++) {
          g[first + f].set(lane, value[f]);
          dg[first + f].set(lane, slope[f]);
        }
      }
    }
  }

  AceFile file_;
  int groups_ = 0;
  std::vector<ProductTree> trees_;
  std::vector<std::vector<Run>> runs_;
  Harmonics harmonics_;
  std::vector<Vector> table_;
  std::vector<Lanes> harmonic_values_, outward_, sideways_, density_, slope_, radial_, radial_slope_, functions_;
  std::vector<std::vector<Columns>> packed_;
};

}  // namespace pesforge

#endif
