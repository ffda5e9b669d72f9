"""Text as tokens: CLIP's byte pairs, SigLIP's pieces, folders without."""

import json

import numpy as np
import pytest

from tests.oracles import library
from vision_jax.data.errors import DataError
from vision_jax.data.text.bpe import BytePairs, byte_letters, words
from vision_jax.data.text.tokenizer import canonical, load_tokenizer

TEXTS = (
  "a photo of a cat.",
  "A  Photo\tOF\na CAT!!",
  "it's they're we'll 'tis x'S",
  "12345 ½ ² Ⅷ 3rd",
  "naïve café caf\u0065\u0301 Ünïcode 猫 и",
  "🐈‍⬛ cat_dog <|cat|> 'quoted' #1",
  "",
  "photo " * 40,
)
MERGES = [
  *(("a", "t</w>"), ("c", "at</w>"), ("p", "h"), ("o", "t"), ("ph", "ot")),
  *(("phot", "o</w>"), ("o", "f</w>"), ("'", "s</w>"), ("t", "h")),
  *(("Ã", "©</w>"), ("ð", "Ł"), ("!", "!</w>"), ("r", "e</w>")),
]


@pytest.fixture
def folder(tmp_path):
  """A folder with a small vocabulary of CLIP's kind, some bytes missing."""
  letters = [x for x in byte_letters() if x not in "zŃ"]
  symbols = [*letters, *(f"{x}</w>" for x in letters)]
  symbols += ["".join(pair) for pair in MERGES]
  symbols += ["<|startoftext|>", "<|endoftext|>"]
  vocabulary = {symbol: i for i, symbol in enumerate(dict.fromkeys(symbols))}
  (tmp_path / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
  lines = ["#version: 0.2", *(" ".join(pair) for pair in MERGES), ""]
  (tmp_path / "merges.txt").write_text("\n".join(lines), "utf-8")
  return tmp_path


def test_words_are_letters_digits_signs_and_endings():
  assert [*words("it's 42 cats'!")] == ["it", "'s", "4", "2", "cats", "'!"]


def test_byte_pairs_merge_in_their_order():
  vocabulary = {"l": 0, "ow</w>": 1, "low</w>": 2, "<|endoftext|>": 3}
  merges = [("o", "w</w>"), ("l", "ow</w>")]
  assert BytePairs(vocabulary, merges)("low LOW") == [2, 2]
  assert BytePairs(vocabulary, merges[:1])("low") == [0, 1]
  assert BytePairs(vocabulary, [])("low") == [0, 3, 3]


@pytest.mark.slow
def test_clips_tokens_are_those_of_transformers(folder):
  """Of the two files, and of a tokenizer.json; cut off, and filled up."""
  tokenizer = library("transformers").CLIPTokenizer.from_pretrained(folder)
  theirs = tokenizer(
    [*TEXTS], padding="max_length", truncation=True, max_length=32
  ).input_ids
  ours = load_tokenizer(folder)
  assert ours(TEXTS, 32).dtype == np.int32
  np.testing.assert_array_equal(ours(TEXTS, 32), theirs)
  (other := folder / "other").mkdir()
  tokenizer.backend_tokenizer.save(str(other / "tokenizer.json"))
  np.testing.assert_array_equal(load_tokenizer(other)(TEXTS, 32), theirs)


@pytest.mark.slow
def test_siglips_tokens_are_pieces_of_what_is_left_of_a_text(tmp_path):
  tokenizers = library("tokenizers")
  pieces = [("<unk>", 0.0), ("</s>", 0.0), ("▁", -2.0), ("▁a", -1.0)]
  pieces += [("▁photo", -1.0), ("▁cat", -1.5), ("s", -2.0), ("▁c", -1.0)]
  model = tokenizers.models.Unigram(pieces, unk_id=0)
  made = tokenizers.Tokenizer(model)
  made.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
  made.add_special_tokens(["</s>"])
  made.enable_padding(length=9)
  made.save(str(tmp_path / "tokenizer.json"))
  found = load_tokenizer(tmp_path)(["A  photo, (cats)!", "a a a a a a"], 6)
  np.testing.assert_array_equal(found, [[3, 4, 5, 6, 1, 1], [3] * 5 + [1]])
  assert canonical(" It's A\tCat. ") == "its a cat"


def test_a_folder_without_a_tokenizer_says_what_is_expected(tmp_path):
  with pytest.raises(DataError, match=r"vocab\.json and merges\.txt"):
    load_tokenizer(tmp_path)
  (tmp_path / "vocab.json").write_text("{}")
  (tmp_path / "merges.txt").write_text("")
  with pytest.raises(DataError, match=r"no token <\|startoftext"):
    load_tokenizer(tmp_path)
