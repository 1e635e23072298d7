// racoon.conf(5) from the directive table.
#include "conf/manual.hpp"

#include <gmock/gmock.h>

namespace racoon::conf {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Manual, WritesAFormWithItsArguments) {
    EXPECT_EQ(form_mdoc("nonce_size <number>;"), "Cm nonce_size Ar number ;");
    EXPECT_EQ(form_mdoc("lifetime time <time>;"), "Cm lifetime time Ar time ;");
    EXPECT_EQ(form_mdoc("include \"<pattern>\";"), "Cm include Qo Ar pattern Qc ;");
    EXPECT_EQ(form_mdoc("isakmp <address> [<port>];"), "Cm isakmp Ar address Bo Ar port Bc ;");
    EXPECT_EQ(form_mdoc("timer { ... }"), "Cm timer { ... }");
    EXPECT_EQ(form_mdoc("passive on | off;"), "Cm passive on | off ;");
}

TEST(Manual, ATextCannotBecomeARequest) {
    EXPECT_EQ(text_mdoc(".so /etc/passwd"), "\\&.so /etc/passwd\n");
    EXPECT_EQ(text_mdoc("'tis \\fB"), "\\&'tis \\efB\n");
    // Also where a line is broken.
    const std::string wrapped = text_mdoc(std::string(76, 'x') + " .Pp");
    EXPECT_EQ(wrapped, std::string(76, 'x') + "\n\\&.Pp\n");
}

TEST(Manual, ASentenceBeginsALine) {
    EXPECT_EQ(text_mdoc("One. Two."), "One.\nTwo.\n");
}

TEST(Manual, FillsTheMarksOfItsTemplate) {
    const auto page = fill_manual(
        ".Sh TIMER\n.\\\" @directives timer@\n.\\\" @example racoon.conf@\n.\\\" @directives others@\n");
    ASSERT_TRUE(page) << page.error().text();
    EXPECT_THAT(*page,
                HasSubstr(".Sh TIMER\n.Bl -tag -width Ds -compact\n.It Cm counter Ar number ;\n"));
    EXPECT_THAT(*page, HasSubstr("@example racoon.conf@"));
    EXPECT_THAT(*page, HasSubstr(".Ss The listen block\n"));
    EXPECT_THAT(*page, Not(HasSubstr(".Ss The timer block\n")));
}

TEST(Manual, ABlockIsNeverLeftOut) {
    EXPECT_FALSE(fill_manual(".\\\" @directives timer@\n"));
    EXPECT_FALSE(fill_manual(".\\\" @directives tmier@\n"));
}

TEST(Manual, HasEveryDirective) {
    const auto page = fill_manual(".\\\" @directives others@\n.\\\" @old words@\n");
    ASSERT_TRUE(page);
    for (const Directive& d : directives())
        EXPECT_THAT(*page, HasSubstr(std::string(d.keyword))) << d.keyword;
}

}  // namespace
}  // namespace racoon::conf
