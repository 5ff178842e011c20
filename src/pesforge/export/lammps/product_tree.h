// Sums of products of density components, with derivatives.
#ifndef PESFORGE_PRODUCT_TREE_H
#define PESFORGE_PRODUCT_TREE_H

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "ace_file.h"
#include "lanes.h"

namespace pesforge {

// A node of a tree of products: the product of the node's parent times one component. Its coefficient, the leaves below
// it (products that end there) and the inner nodes below it stand in consecutive places.
struct Node {
  int component;
  double coefficient;
  int first_leaf, last_leaf, first_child, last_child;
};

struct Leaf {
  int component;
  double coefficient;
};

// sum_t c_t prod A as nested sums: A_a (c_a + sum_b A_b (c_ab + ...)), so that products share their first factors.
class ProductTree {
 public:
  void build(const std::vector<Product> &products, const std::vector<double> &coefficients, int n_components) {
    std::vector<long> uses(n_components, 0);
    for (const Product &product : products)
      for (int i = 0; i < product.order; i++) uses[product.factors[i]]++;
    std::vector<Entry> entries;
    for (size_t t = 0; t < products.size(); t++) {
      if (coefficients[t] == 0) continue;
      Entry entry{products[t], coefficients[t]};
      std::sort(entry.product.factors, entry.product.factors + entry.product.order, [&](int a, int b) {
        return uses[a] != uses[b] ? uses[a] > uses[b] : a < b;
      });
      entries.push_back(entry);
    }
    std::sort(entries.begin(), entries.end(), [](const Entry &a, const Entry &b) {
      return std::lexicographical_compare(a.product.factors, a.product.factors + a.product.order, b.product.factors,
                                          b.product.factors + b.product.order);
    });
    nodes_.assign(1, Node{-1, 0, 0, 0, 0, 0});
    leaves_.clear();
    expand(0, entries, 0, entries.size(), 0);
  }

  // Adds the energy of every lane, and its derivatives by the components.
  void evaluate(const Lanes *A, Lanes *slope, Lanes &energy) const {
    Lanes sum;
    below<0>(nodes_[0], everywhere(1), A, slope, sum);
    PESFORGE_LANES energy.v[s] += sum.v[s];
  }

 private:
  struct Entry {
    Product product;
    double coefficient;
  };

  // Fills a node from the entries that begin with its factors.
  void expand(int node, const std::vector<Entry> &entries, size_t begin, size_t end, int depth) {
    while (begin < end && entries[begin].product.order == depth) nodes_[node].coefficient += entries[begin++].coefficient;
    if (depth == MAX_ORDER) return;
    std::vector<std::array<size_t, 2>> inner;
    nodes_[node].first_leaf = leaves_.size();
    for (size_t i = begin; i < end;) {
      const int component = entries[i].product.factors[depth];
      size_t next = i;
      bool ends = true;
      for (; next < end && entries[next].product.factors[depth] == component; next++) {
        ends = ends && entries[next].product.order == depth + 1;
      }
      if (ends) {
        double total = 0;
        for (size_t t = i; t < next; t++) total += entries[t].coefficient;
        leaves_.push_back({component, total});
      } else {
        inner.push_back({i, next});
      }
      i = next;
    }
    nodes_[node].last_leaf = leaves_.size();
    const int first_child = nodes_.size();
    nodes_[node].first_child = first_child;
    for (const auto &range : inner) nodes_.push_back(Node{entries[range[0]].product.factors[depth], 0, 0, 0, 0, 0});
    nodes_[node].last_child = nodes_.size();
    for (size_t i = 0; i < inner.size(); i++) expand(first_child + i, entries, inner[i][0], inner[i][1], depth + 1);
  }

  // The sum below a node, given the product of its factors; adds the derivatives by the components below it.
  template <int depth>
  void below(const Node &node, const Lanes &product, const Lanes *A, Lanes *slope, Lanes &result) const {
    Lanes sum = everywhere(node.coefficient);
    const Lanes held = product;
    for (int i = node.first_leaf; i < node.last_leaf; i++) {
      const double c = leaves_[i].coefficient;
      const Vector *__restrict a = A[leaves_[i].component].v;
      Vector *__restrict t = slope[leaves_[i].component].v;
      PESFORGE_LANES sum.v[s] += c * a[s];
      PESFORGE_LANES t[s] += c * held.v[s];
    }
    if constexpr (depth + 1 < MAX_ORDER) {
      for (int i = node.first_child; i < node.last_child; i++) {
        const Node &child = nodes_[i];
        const Vector *__restrict a = A[child.component].v;
        Vector *__restrict t = slope[child.component].v;
        Lanes longer, inner;
        PESFORGE_LANES longer.v[s] = held.v[s] * a[s];
        below<depth + 1>(child, longer, A, slope, inner);
        PESFORGE_LANES t[s] += held.v[s] * inner.v[s];
        PESFORGE_LANES sum.v[s] += a[s] * inner.v[s];
      }
    }
    result = sum;
  }

  std::vector<Node> nodes_;
  std::vector<Leaf> leaves_;
};

}  // namespace pesforge

#endif
